// SPDX-License-Identifier: GPL-2.0
//! Transfers between two guests. That they went over SMC-R is what the programs' own sockets
//! say, what SMC_DIAG says, and what SMC has counted, on both sides.

use super::NO_COMMON_DEVICE;
use super::end;
use super::link_group;
use super::rdma_is_ready;
use crate::diag::Carrier;
use crate::kernel::net::address;
use crate::program::pair::FORMS;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::command;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::data::fallback::PEER_DECLINED;
use crate::scenario::same;
use crate::scenario::wire::sockets::protocols_of;
use crate::smcify::Smcify;
use anyhow::Result;
use serde_json::Value;
use smc_netlink::smc::fallbacks;
use smc_netlink::smc::smcr_link_groups;
use smc_netlink::smc::stats;
use std::net::IpAddr;

/// The kinds of addresses, and whether SMC-R has them. Version 2, the only one that soft-RoCE
/// serves, is for IPv4, and for IPv6 sockets with IPv4 addresses (`smc_find_proposal_devices()`).
type Kind = (&'static str, bool);
pub const IPV4: &[Kind] = &[("IPv4", true)];
pub const KINDS: &[Kind] = &[("IPv4", true), ("IPv4-mapped", true), ("IPv6", false)];

fn ip(kind: &str, node: u8) -> IpAddr {
    match (kind, address(node, kind == "IPv6")) {
        ("IPv4-mapped", IpAddr::V4(ip)) => ip.to_ipv6_mapped().into(),
        (_, ip) => ip,
    }
}

/// The scenario: each form over each kind, served by one guest and then the other.
pub fn run(
    report: &mut Report,
    name: &'static str,
    bytes: u64,
    kinds: &'static [Kind],
) -> Result<()> {
    Peer::with(name, |peer| {
        let smcify = Smcify::load()?;
        rdma_is_ready(peer)?;
        peer.meet("smcify is loaded")?;
        report.check("smcify check names the device", is_ready());
        for server in [0, 1] {
            link_group(report, peer, &smcify, server, address(server, false))?;
        }
        let mut server = 0;
        for form in FORMS {
            for &(kind, smcr) in kinds {
                let seen = one(peer, server, form, ip(kind, server), bytes)?;
                let found = if smcr {
                    seen.is_smcr(bytes)
                } else {
                    seen.is_tcp()
                };
                let name = format!("{form} over {kind}, served by guest {server}");
                report.check(name, found);
                server = 1 - server;
            }
        }
        Ok(())
    })
}

/// Whether `smcify check` finds what SMC-R runs over.
fn is_ready() -> Result<()> {
    let said = command::smcify("check --json")?;
    for (what, expected) in [
        ("SMC-R devices", "rxe0"),
        ("egress eth0", "SMC-R over rxe0"),
    ] {
        let line = command::checked(&said, what)?;
        let found = (&line["state"], &line["found"]);
        same(what, (&"good".into(), &expected.into()), found)?;
    }
    Ok(())
}

/// What `smcify ss` says of a program's connections.
fn listed(pid: u32) -> Result<Vec<String>> {
    let listed = command::json("ss")?;
    let sockets = listed["sockets"].as_array().into_iter().flatten();
    let of = |socket: &&Value| {
        let mut processes = socket["processes"].as_array().into_iter().flatten();
        processes.any(|it| it["pid"] == pid)
    };
    let carriers = sockets.filter(of).map(|it| it["carrier"].as_str());
    Ok(carriers.map(|it| it.unwrap_or_default().into()).collect())
}

/// What one guest has seen of a transfer.
struct Seen {
    server: bool,
    /// `SO_PROTOCOL` of the program's sockets.
    protocols: Vec<i32>,
    /// What SMC_DIAG said of them, at any time.
    carriers: Vec<String>,
    /// What `smcify ss` said of them.
    listed: Vec<String>,
    counted: Counted,
    /// The versions of the link groups that have connections.
    versions: Vec<u64>,
}

/// What SMC has counted, in this guest.
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
fn one(peer: &Peer, server: u8, form: &'static str, ip: IpAddr, bytes: u64) -> Result<Seen> {
    let before = Counted::now()?;
    let mut end = end(peer, server, form, ip, bytes)?;
    end.watch()?;
    let protocols = protocols_of(end.pid())?;
    let listed = listed(end.pid())?;
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
        listed,
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
        same("smcify ss", &vec!["smcr".into()], &self.listed)?;
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

    /// Fails unless all say that it went by TCP, after a fallback.
    fn is_tcp(&self) -> Result<()> {
        same(
            "SMC_DIAG",
            &vec![self.fallback().to_string()],
            &self.carriers,
        )?;
        same("smcify ss", &vec!["tcp".into()], &self.listed)?;
        let expected = Counted {
            fallbacks: 1,
            ..Counted::default()
        };
        same("counted", &expected, &self.counted)
    }

    /// Why: the server finds no device that serves the client, and says so.
    fn fallback(&self) -> Carrier {
        match self.server {
            true => NO_COMMON_DEVICE,
            false => PEER_DECLINED,
        }
    }
}
