// SPDX-License-Identifier: GPL-2.0
//! Transfers between two guests. That they went over SMC-R is what the programs' own sockets
//! say, what SMC_DIAG says, and what SMC has counted, on both sides.

use super::end;
use crate::diag::Carrier;
use crate::pair::FORMS;
use crate::peer::Peer;
use crate::scenario::Report;
use crate::scenario::same;
use crate::scenario::switch::IPPROTO_SMC;
use crate::smcify::Smcify;
use crate::sockets::protocols_of;
use anyhow::Result;
use smc_netlink::smc::fallbacks;
use smc_netlink::smc::smcr_link_groups;
use smc_netlink::smc::stats;

/// The scenario: each form over each family, served by one guest and then the other.
pub fn run(report: &mut Report, name: &'static str, bytes: u64) -> Result<()> {
    Peer::with(name, |peer| {
        let smcify = Smcify::load()?;
        smcify.set_default("smc")?;
        peer.meet("smcify is loaded")?;
        for (number, form) in FORMS.into_iter().enumerate() {
            for v6 in [false, true] {
                let server = (number as u8 + u8::from(v6)) % 2;
                let seen = one(peer, server, form, v6, bytes)?;
                let family = if v6 { "IPv6" } else { "IPv4" };
                report.check(
                    format!("{form} over {family}, served by guest {server}"),
                    seen.is_smcr(bytes),
                );
            }
        }
        Ok(())
    })
}

/// What one guest has seen of a transfer.
struct Seen {
    server: bool,
    /// `SO_PROTOCOL` of the program's sockets.
    protocols: Vec<i32>,
    /// What SMC_DIAG said of them, at any time.
    carriers: Vec<String>,
    counted: Counted,
    /// The versions of the link groups that have connections.
    versions: Vec<u64>,
}

/// What SMC has counted.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    /// Connections over SMC-R as a client, and as a server.
    client: u64,
    server: u64,
    /// Bytes over SMC-R.
    sent: u64,
    received: u64,
    /// Connections over SMC-D, by TCP, and none.
    smcd: u64,
    fallbacks: u64,
    failed: u64,
}

impl Counted {
    fn now() -> Result<Self> {
        let (stats, fallbacks) = (stats()?, fallbacks()?);
        Ok(Self {
            client: stats.smcr.client,
            server: stats.smcr.server,
            sent: stats.smcr.sent,
            received: stats.smcr.received,
            smcd: stats.smcd.client + stats.smcd.server,
            fallbacks: fallbacks.client + fallbacks.server,
            failed: stats.failed,
        })
    }

    fn since(self, before: &Self) -> Self {
        Self {
            client: self.client - before.client,
            server: self.server - before.server,
            sent: self.sent - before.sent,
            received: self.received - before.received,
            smcd: self.smcd - before.smcd,
            fallbacks: self.fallbacks - before.fallbacks,
            failed: self.failed - before.failed,
        }
    }
}

/// One transfer; what this guest has seen of it.
fn one(peer: &Peer, server: u8, form: &'static str, v6: bool, bytes: u64) -> Result<Seen> {
    let before = Counted::now()?;
    let mut end = end(peer, server, form, v6, bytes)?;
    end.watch()?;
    let protocols = protocols_of(end.pid())?;
    let counted = Counted::now()?.since(&before);
    let groups = smcr_link_groups()?.into_iter();
    let versions = groups.filter(|it| it.connections > 0).map(|it| it.version);
    let versions = versions.collect();
    peer.meet("everything has gone")?;
    let carriers = end.finish()?.iter().map(Carrier::to_string).collect();
    Ok(Seen {
        server: peer.node() == server,
        protocols,
        carriers,
        counted,
        versions,
    })
}

impl Seen {
    /// Fails unless all say that the transfer went over SMC-R, and over nothing else.
    fn is_smcr(&self, bytes: u64) -> Result<()> {
        let carriers = vec![Carrier::SmcR.to_string()];
        same("SO_PROTOCOL", &vec![IPPROTO_SMC], &self.protocols)?;
        same("SMC_DIAG", &carriers, &self.carriers)?;
        let expected = Counted {
            client: (!self.server).into(),
            server: self.server.into(),
            sent: bytes,
            received: bytes,
            ..Counted::default()
        };
        same("counted", &expected, &self.counted)?;
        same("SMC's versions", &vec![2], &self.versions)
    }
}
