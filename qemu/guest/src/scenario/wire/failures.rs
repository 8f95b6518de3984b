// SPDX-License-Identifier: GPL-2.0
//! What breaks between two guests in the middle of connections, and what programs see of it
//! over SMC-R and, side by side, over TCP.
//!
//! The wire is cut by a netem that loses everything, on both ends, and not by setting a device
//! down: nobody is told, and only timers can notice.

use super::flow::By;
use super::flow::Kind;
use super::lack::Lack;
use super::renew_rdma;
use super::scene::DEFAULT;
use super::scene::Fate::Ends;
use super::scene::Fate::Survives;
use super::scene::Flows;
use super::scene::SOON;
use super::scene::Scene;
use super::scene::TEST;
use super::scene::VICTIM;
use super::scene::test_soon;
use crate::net;
use crate::peer::Peer;
use crate::scenario::Report;
use crate::smcify::Smcify;
use crate::until::until;
use anyhow::Context;
use anyhow::Result;
use std::fs::canonicalize;
use std::fs::write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const WIRE: &str = "eth0";
/// All of 1,000 packets.
const ALL: u32 = 1000;
/// How long soft-RoCE waits for the end of a queue pair's users, in seconds (`__rxe_cleanup()`).
const CLEANUP: u64 = 50;

/// The scenario: what is over in seconds.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-failures", |peer| {
        test_soon(peer)?;
        let wire = Wire::new()?;
        let mut scene = Scene::new(report, peer)?;
        scene.smcr()??;
        let go_on = [(Kind::Tcp, Survives), (Kind::SmcR, Survives)];
        scene.case("the wire is cut for 5 s", &go_on, |_, _| wire.cut(5))?;
        scene.case("packets are 20 ms late", &go_on, |_, _| {
            wire.bad(Duration::from_millis(20), 0, 5)
        })?;
        scene.case("packets are lost", &go_on, |_, _| {
            wire.bad(Duration::ZERO, 10, 5)
        })?;
        scene.case(
            "the wire is cut for 30 s, nothing goes over it",
            &[
                (Kind::QuietTcp, Survives),
                (Kind::QuietSmcR, Ends(By::Link, SOON + TEST)),
            ],
            |_, _| wire.cut(30),
        )?;
        scene.case(
            "the RDMA link is deleted",
            &[
                (Kind::Tcp, Survives),
                (Kind::SmcR, Ends(By::Link, SOON + TEST)),
            ],
            delete_link,
        )?;
        scene.case(
            "the peer's program is killed",
            &[
                (Kind::Tcp, Ends(By::Peer, 5)),
                (Kind::SmcR, Ends(By::Peer, 5)),
            ],
            kill,
        )?;
        scene.case(
            "smcify is unloaded and loaded again",
            &[(Kind::Tcp, Survives), (Kind::SmcR, Survives)],
            restart_smcify,
        )
    })
}

/// The scenario: apart from the others, since soft-RoCE does not always survive it. A packet
/// that keeps its queue pair may get lost with the device; then it complains after 50 s
/// (`__rxe_cleanup()`), and nobody else sees an end before.
pub fn netdev(report: &mut Report) -> Result<()> {
    Peer::with("wire-netdev", |peer| {
        test_soon(peer)?;
        let mut scene = Scene::new(report, peer)?;
        scene.smcr()??;
        scene.case(
            "the netdev is deleted",
            &[
                (Kind::Tcp, Survives),
                (Kind::SmcR, Ends(By::Link, SOON + TEST + CLEANUP)),
            ],
            delete_netdev,
        )
    })
}

/// The scenario: a minute is longer than SMC-R waits by default.
pub fn minute(report: &mut Report) -> Result<()> {
    Peer::with("wire-cut-60", |peer| {
        let wire = Wire::new()?;
        let mut scene = Scene::new(report, peer)?;
        scene.smcr()??;
        scene.case(
            "the wire is cut for 60 s",
            &[
                (Kind::Tcp, Survives),
                (Kind::SmcR, Ends(By::Link, DEFAULT + TEST)),
            ],
            |_, _| wire.cut(60),
        )
    })
}

/// This guest's end of the wire, with a netem that passes everything as long as it is not told
/// otherwise. To attach one in mid-transfer is no cut: what the old queue refuses in that moment
/// soft-RoCE takes for the end of a queue pair (`rxe_requester()`).
struct Wire(());

impl Wire {
    fn new() -> Result<Self> {
        net::add_netem(WIRE).map(|()| Self(()))
    }

    /// Loses everything for some seconds.
    fn cut(&self, time: u64) -> Result<()> {
        self.bad(Duration::ZERO, ALL, time)
    }

    /// For some seconds, packets are late, and `lost` of 1,000 are lost.
    fn bad(&self, delay: Duration, lost: u32, time: u64) -> Result<()> {
        net::set_netem(WIRE, delay, lost)?;
        sleep(Duration::from_secs(time));
        net::set_netem(WIRE, Duration::ZERO, 0)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Err(e) = net::delete_netem(WIRE) {
            eprintln!("{e:#}");
        }
    }
}

fn delete_link(scene: &mut Scene, _: &mut Flows) -> Result<()> {
    if scene.is_victim() {
        renew_rdma(scene.peer)?;
    }
    Ok(())
}

fn delete_netdev(scene: &mut Scene, _: &mut Flows) -> Result<()> {
    if !scene.is_victim() {
        return Ok(());
    }
    let device = canonicalize("/sys/class/net/eth0/device").context("eth0")?;
    let driver = canonicalize(device.join("driver")).context("eth0")?;
    let device = device.file_name().context("eth0")?.as_encoded_bytes();
    write(driver.join("unbind"), device).context("unbind")?;
    // The RDMA device goes with it, a moment later.
    let gone = || Ok(!Path::new("/sys/class/infiniband/rxe0").exists());
    until("the end of the RDMA device", gone)?;
    write(driver.join("bind"), device).context("bind")?;
    net::join(VICTIM)?;
    Lack::Rdma.give_back(scene.peer)
}

fn kill(scene: &mut Scene, flows: &mut Flows) -> Result<()> {
    if scene.is_victim() {
        flows.clear();
    }
    Ok(())
}

fn restart_smcify(scene: &mut Scene, _: &mut Flows) -> Result<()> {
    if scene.is_victim() {
        scene.smcify.take().map_or(Ok(()), Smcify::unload)?;
        scene.smcify = Some(Smcify::load()?);
    }
    Ok(())
}
