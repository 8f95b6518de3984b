// SPDX-License-Identifier: GPL-2.0
//! One of two guests boots anew, in the middle of connections: what the other's programs see of
//! it, and whether SMC-R works again with what is then there.

use super::flow::By;
use super::flow::Kind;
use super::scene::Fate;
use super::scene::Fate::Ends;
use super::scene::Flows;
use super::scene::SOON;
use super::scene::Scene;
use super::scene::TEST;
use super::scene::VICTIM;
use super::scene::test_soon;
use crate::init;
use crate::program::peer::Peer;
use crate::scenario::Report;
use anyhow::Result;
use anyhow::bail;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// One that is to happen.
struct Restart {
    name: &'static str,
    /// Whether programs end first, and devices are shut down, as they are by any init. So no
    /// connection meets the restart itself.
    orderly: bool,
    /// What becomes of connections.
    fates: [(Kind, Fate); 2],
}

/// What the guest lives through. Of a crash the other one hears nothing until TCP asks after a
/// connection that nobody there knows any more, and SMC-R tests its link.
const RESTARTS: [Restart; 2] = [
    Restart {
        name: "the peer crashes and boots",
        orderly: false,
        fates: [
            (Kind::Tcp, Ends(By::Peer, 60)),
            (Kind::SmcR, Ends(By::Link, SOON + TEST)),
        ],
    },
    Restart {
        name: "the peer is rebooted",
        orderly: true,
        fates: [
            (Kind::Tcp, Ends(By::Peer, 5)),
            (Kind::SmcR, Ends(By::Peer, 5)),
        ],
    },
];

/// Between the end of the programs and that of the devices.
const ORDER: Duration = Duration::from_secs(2);

/// The scenario. Who has just booted is told how often it has restarted.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-restarts", |peer| {
        let mut lived = meet(peer, 0)?;
        test_soon(peer)?;
        let mut scene = Scene::new(report, peer)?;
        loop {
            let works = scene.smcr()?;
            let restart = RESTARTS.get(lived);
            if scene.is_victim() && restart.is_some() {
                // What is reported before a restart is lost.
                works?;
            } else {
                let name = format!("SMC-R works, with {lived} restarts behind it");
                scene.report.check(name, works);
            }
            let Some(restart) = restart else {
                return Ok(());
            };
            let flows = scene.flows(&restart.fates)?;
            peer.meet(restart.name)?;
            if scene.is_victim() {
                return restart.happen(flows);
            }
            scene.ends(restart.name, &flows, Instant::now());
            drop(flows);
            lived = meet(peer, lived + 1)?;
        }
    })
}

/// Waits until the victim has booted; says how often it has restarted, which only the other guest
/// knows.
fn meet(peer: &Peer, restarts: usize) -> Result<usize> {
    if peer.node() == VICTIM {
        peer.tell(&"booted")?;
        return peer.hear();
    }
    let _: String = peer.hear_booted()?;
    peer.tell(&restarts)?;
    Ok(restarts)
}

impl Restart {
    fn happen(&self, flows: Flows) -> Result<()> {
        if self.orderly {
            drop(flows);
            // With a message under way, what the other one does hangs: docs/smc-findings.md.
            sleep(ORDER);
            init::restart()
        } else {
            init::crash()
        }?;
        bail!("it does not restart")
    }
}
