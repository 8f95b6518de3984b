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
use crate::kernel::net;
use crate::kernel::net::address;
use crate::kernel::until::until;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::same;
use crate::scenario::wire::tool::tool;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;
use std::fs::canonicalize;
use std::fs::write;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const WIRE: &str = "eth0";
/// All of 1,000 packets.
const ALL: u32 = 1000;
/// How long the wire is bad. TCP and SMC-R survive that.
const A_WHILE: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_millis(20);
/// Nobody listens there.
const NOBODY: u16 = 9;
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
        let name = "the wire is cut for 5 s";
        scene.case(name, &go_on, |scene, _| wire.lose(scene, name, ALL))?;
        let name = "one packet in 100 is lost";
        scene.case(name, &go_on, |scene, _| wire.lose(scene, name, ALL / 100))?;
        let name = "packets are 20 ms late";
        scene.case(name, &go_on, |scene, _| wire.delay(scene, name))?;
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
/// otherwise. To attach one in mid-transfer is no cut: what stands in while the queue is replaced
/// refuses packets (`noop_enqueue()`), and soft-RoCE takes that for the end of a queue pair
/// (`rxe_requester()`).
struct Wire(());

impl Wire {
    fn new() -> Result<Self> {
        net::add_netem(WIRE).map(|()| Self(()))
    }

    /// Loses everything for some seconds.
    fn cut(&self, time: u64) -> Result<()> {
        self.bad(Duration::ZERO, ALL, || sleep(Duration::from_secs(time)))
    }

    /// Loses so many of 1,000 packets for a while; reports whether it has lost any.
    fn lose(&self, scene: &mut Scene, name: &str, lost: u32) -> Result<()> {
        let before = drops()?;
        self.bad(Duration::ZERO, lost, || sleep(A_WHILE))?;
        let drops = drops()? - before;
        scene.report.note(format!("{name}: {drops} packets"));
        let any = || {
            ensure!(drops > 0, "no packet");
            Ok(())
        };
        scene.report.check(format!("{name}: what is lost"), any());
        Ok(())
    }

    /// Holds packets back for a while; reports whether a question to the other guest takes as long
    /// as that says.
    fn delay(&self, scene: &mut Scene, name: &str) -> Result<()> {
        let to = SocketAddr::new(address(1 - scene.peer.node(), false), NOBODY);
        let mut answer = None;
        self.bad(LATE, 0, || {
            sleep(A_WHILE / 2);
            let begun = Instant::now();
            let error = TcpStream::connect(to).err().map(|error| error.kind());
            answer = Some((error, begun.elapsed()));
            sleep(A_WHILE / 2);
        })?;
        let late = || {
            let (error, time) = answer.context("nobody was asked")?;
            same("connect()", Some(ErrorKind::ConnectionRefused), error)?;
            ensure!(time >= LATE * 2, "it took {time:?}");
            Ok(())
        };
        scene.report.check(format!("{name}: what is late"), late());
        Ok(())
    }

    /// Holds packets back and loses so many of 1,000, as long as `meanwhile` takes.
    fn bad(&self, delay: Duration, lost: u32, meanwhile: impl FnOnce()) -> Result<()> {
        net::set_netem(WIRE, delay, lost)?;
        meanwhile();
        net::set_netem(WIRE, Duration::ZERO, 0)
    }
}

/// How many packets this guest's end of the wire has lost.
fn drops() -> Result<u64> {
    let said = tool(&format!("tc -s -j qdisc show dev {WIRE}"))?;
    let qdiscs: Value = serde_json::from_slice(&said).context("tc")?;
    qdiscs[0]["drops"].as_u64().context("tc: no drops")
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
    let device = canonicalize(format!("/sys/class/net/{WIRE}/device")).context(WIRE)?;
    let driver = canonicalize(device.join("driver")).context(WIRE)?;
    let device = device.file_name().context(WIRE)?.as_encoded_bytes();
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
