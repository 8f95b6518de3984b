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
use super::scene::Fate::Intact;
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

/// All of 1,000 packets.
const ALL: u32 = 1000;
/// How long soft-RoCE waits for the end of a queue pair's users, in seconds (`__rxe_cleanup()`).
const CLEANUP: u64 = 50;

/// The scenario: what is over in seconds.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-failures", |peer| {
        test_soon(peer)?;
        let mut scene = Scene::new(report, peer)?;
        scene.smcr()??;
        scene.case(
            "the wire is cut for 5 s",
            &[(Kind::Tcp, Survives), (Kind::SmcR, Intact)],
            |_, _| cut(5),
        )?;
        scene.case(
            "the wire is cut for 30 s, nothing goes over it",
            &[
                (Kind::QuietTcp, Survives),
                (Kind::QuietSmcR, Ends(By::Link, SOON + TEST)),
            ],
            |_, _| cut(30),
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
        let mut scene = Scene::new(report, peer)?;
        scene.smcr()??;
        scene.case(
            "the wire is cut for 60 s",
            &[
                (Kind::Tcp, Survives),
                (Kind::SmcR, Ends(By::Link, DEFAULT + TEST)),
            ],
            |_, _| cut(60),
        )
    })
}

/// Has the wire lose everything for some seconds.
fn cut(time: u64) -> Result<()> {
    net::netem("eth0", Duration::ZERO, ALL)?;
    sleep(Duration::from_secs(time));
    net::without_netem("eth0")
}

fn delete_link(scene: &mut Scene, _: &mut Flows) -> Result<()> {
    if scene.is_victim() {
        renew_rdma(scene.peer)?;
    }
    Ok(())
}

fn delete_netdev(scene: &mut Scene, _: &mut Flows) -> Result<()> {
    const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_net";
    if !scene.is_victim() {
        return Ok(());
    }
    let device = canonicalize("/sys/class/net/eth0/device").context("eth0")?;
    let device = device.file_name().context("eth0")?.to_string_lossy();
    write(format!("{DRIVER}/unbind"), device.as_bytes()).context("unbind")?;
    // The RDMA device goes with it, a moment later.
    let gone = || Ok(!Path::new("/sys/class/infiniband/rxe0").exists());
    until("the end of the RDMA device", gone)?;
    write(format!("{DRIVER}/bind"), device.as_bytes()).context("bind")?;
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
