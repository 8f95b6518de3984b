// SPDX-License-Identifier: GPL-2.0
//! Where two guests' connections meet with something: they are brought under way, and judged by
//! how they end.

use super::flow::By;
use super::flow::End;
use super::flow::Flow;
use super::flow::Kind;
use super::rdma_is_ready;
use super::renew_rdma;
use super::seen;
use crate::kernel::net::address;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use std::fs::write;
use std::time::Duration;
use std::time::Instant;

/// The guest that things happen to.
pub const VICTIM: u8 = 1;
/// How long a connection that survives may take until all is heard, once the cause is gone. A
/// cut of 60 s leaves TCP with a retransmission timer of 51 s.
const SURVIVAL: Duration = Duration::from_secs(150);

/// How many connections may fall back, after that, before SMC-R works again.
const MOST_FALLBACKS: usize = 5;

/// What becomes of a connection.
#[derive(Clone, Copy)]
pub enum Fate {
    /// It goes on.
    Survives,
    /// It ends by itself, at the latest so many seconds after the cause.
    Ends(By, u64),
}
use Fate::Ends;
use Fate::Survives;

pub type Flows = Vec<(Flow, Fate)>;

/// How long a link group hears nothing before it tests its link, for two seconds more
/// (`smc_llc_testlink_work()`): here, and by default. Nothing else notices a silent peer, since
/// soft-RoCE tries again without end (`rxe_completer()`).
const TEST_LINK: &str = "/proc/sys/net/smc/smcr_testlink_time";
pub const SOON: u64 = 10;
pub const DEFAULT: u64 = 30;
/// The test itself, and what a slow machine adds.
pub const TEST: u64 = 2 + 10;

/// Has links be tested soon. A link keeps the time that it began with, so those that there are
/// go, with their device.
pub fn test_soon(peer: &Peer) -> Result<()> {
    write(TEST_LINK, SOON.to_string()).context(TEST_LINK)?;
    renew_rdma(peer)
}

/// The two guests between the causes.
pub struct Scene<'a> {
    pub report: &'a mut Report,
    pub peer: &'a Peer,
    pub smcify: Option<Smcify>,
}

impl<'a> Scene<'a> {
    /// With smcify.
    pub fn new(report: &'a mut Report, peer: &'a Peer) -> Result<Self> {
        let smcify = Some(Smcify::load()?);
        Ok(Self {
            report,
            peer,
            smcify,
        })
    }

    fn smcify(&self) -> Result<&Smcify> {
        self.smcify.as_ref().context("smcify is not loaded")
    }

    pub fn is_victim(&self) -> bool {
        self.peer.node() == VICTIM
    }

    /// Has `cause` happen, on both guests or on one of them, while connections are under way;
    /// reports what becomes of them. Then SMC-R has to work again.
    pub fn case(
        &mut self,
        name: &str,
        fates: &[(Kind, Fate)],
        cause: impl FnOnce(&mut Self, &mut Flows) -> Result<()>,
    ) -> Result<()> {
        let mut flows = self.flows(fates)?;
        self.peer.meet(name)?;
        let since = Instant::now();
        cause(self, &mut flows)?;
        self.ends(name, &flows, since);
        self.peer.meet("what ends has ended")?;
        for (flow, fate) in &mut flows {
            if let Survives = fate {
                let found = flow.stop(SURVIVAL);
                let found = self.both(found)?;
                self.judge(name, flow.kind, *fate, found);
            }
        }
        drop(flows);
        let again = self.smcr()?;
        self.report
            .check(format!("{name}: then SMC-R again"), again);
        self.peer.meet("on to the next")
    }

    /// Brings connections of these kinds under way.
    pub fn flows(&self, fates: &[(Kind, Fate)]) -> Result<Flows> {
        let smcify = self.smcify()?;
        let start = |(kind, fate): &(_, _)| Ok((Flow::start(self.peer, smcify, *kind)?, *fate));
        fates.iter().map(start).collect()
    }

    /// Reports whether those that end by themselves do so.
    pub fn ends(&mut self, name: &str, flows: &Flows, since: Instant) {
        for (flow, fate) in flows {
            if let Ends(_, within) = fate {
                let found = flow.ended(since, Duration::from_secs(*within));
                self.judge(name, flow.kind, *fate, found);
            }
        }
    }

    fn judge(&mut self, name: &str, kind: Kind, fate: Fate, found: Result<Option<End>>) {
        let what = match fate {
            Survives => "survives",
            Ends(..) => "ends",
        };
        let as_expected = found.and_then(|end| {
            let end = end.context("it has not ended")?;
            self.report.note(format!("{name}: {kind}: {end}"));
            match fate {
                Survives => end.is_clean(),
                Ends(by, _) => end.is_an_error(kind, by),
            }
        });
        self.report
            .check(format!("{name}: {kind} {what}"), as_expected);
    }

    /// Fails unless each guest has received what the other has sent.
    fn both(&self, found: Result<Option<End>>) -> Result<Result<Option<End>>> {
        let bytes = |found: &Result<Option<End>>| found.as_ref().ok()?.as_ref().map(End::bytes);
        self.peer.tell(&bytes(&found))?;
        let theirs: Option<(u64, u64)> = self.peer.hear()?;
        let mine = bytes(&found).map(|(sent, received)| (received, sent));
        Ok(found.and_then(|end| {
            let what = "received and sent, and sent and received there";
            same(what, mine, theirs).map(|()| end)
        }))
    }

    /// Whether SMC-R works. What is left of an old link group on one side may cost a few
    /// connections that fall back.
    pub fn smcr(&mut self) -> Result<Result<()>> {
        rdma_is_ready(self.peer)?;
        for _ in 0..MOST_FALLBACKS {
            let seen = seen(self.peer, self.smcify()?, VICTIM, address(VICTIM, false))?;
            if seen.smcr {
                return Ok(Ok(()));
            }
            self.report.note(format!("not at once: {:?}", seen.mine));
        }
        Ok(Err(anyhow!("{MOST_FALLBACKS} connections fell back")))
    }
}
