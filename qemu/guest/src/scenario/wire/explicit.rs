// SPDX-License-Identifier: GPL-2.0
//! What SMC itself does to programs that ask for it, where there is no smcify, and what TCP
//! would not do: docs/smc-findings.md.

use super::MOST_LOST;
use super::is_unconfirmed;
use super::lack::Lack;
use super::rdma_is_ready;
use super::renew_rdma;
use crate::diag::carriers_of;
use crate::kernel::module;
use crate::kernel::net::address;
use crate::kernel::task::Task;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::same;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const SERVER: u8 = 1;
/// Longer than a link group lives that has lost its device.
const PATIENCE: Duration = Duration::from_secs(60);
/// `SMC_MAX_STREAM_WAIT_TIMEOUT`.
const STREAM_WAIT: Duration = Duration::from_secs(2);

/// `SMC_LLC_WAIT_TIME`, and `CLC_WAIT_TIME_SHORT` for a CLC Decline.
const CONFIRM_WAIT: Duration = Duration::from_secs(2 + 1);
/// So many connections are shut down until something is lost.
const MOST_SHUT_DOWN: usize = 5;

/// While it lives, SMC-R is slow to begin a flow of LLC messages (`kunit/smcify_slow.c`).
struct Slow(());

impl Slow {
    fn load() -> Result<Self> {
        module::load("/modules/smcify_slow.ko").map(|()| Self(()))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        if let Err(e) = module::unload("smcify_slow") {
            eprintln!("{e:#}");
        }
    }
}

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-explicit", |peer| {
        rdma_is_ready(peer)?;
        let early = confirmed_early(peer);
        let name = "a CONFIRM LINK before the client waits for it is lost, and both fall back";
        report.check(name, early);
        let lost = shut_downs(peer);
        report.check("what was not sent 2 s after shutdown() gets lost", lost);
        let end = broken(peer);
        let name = "the reader of a broken connection sees its end, the link waits for its user";
        report.check(name, end);
        Ok(())
    })
}

/// The client begins to wait for the CONFIRM LINK of a first connection when it has told the
/// server to send it: one that is there before is dropped. Here that takes so long that it is.
fn confirmed_early(peer: &Peer) -> Result<()> {
    // An earlier scenario may have left a link group.
    renew_rdma(peer)?;
    let client = peer.node() != SERVER;
    let slow = client.then(Slow::load).transpose()?;
    peer.meet("the client is slow")?;
    let begun = Instant::now();
    let socket = connection(peer);
    let took = begun.elapsed();
    peer.meet("it is accepted")?;
    drop(slow);
    let seen = carriers_of(std::process::id())?;
    peer.meet("it has been looked at")?;
    drop(socket?);
    is_unconfirmed(peer, SERVER, seen)?;
    ensure!(took >= CONFIRM_WAIT, "it took {took:?}");
    Ok(())
}

/// Buffers that take nothing for so long are full.
const FULL: Duration = Duration::from_secs(3);
/// Longer than the deletion of an RDMA link takes that nobody uses.
const LONG: Duration = Duration::from_secs(5);

/// An SMC-R connection to a server in guest 1. The first of a link group may fall back, see
/// [`link_group`](super::link_group).
fn connected(peer: &Peer) -> Result<Socket> {
    ensure!(!module::is_loaded("smcify"), "smcify is loaded");
    for _ in 0..MOST_LOST {
        let socket = connection(peer)?;
        let smc = socket.protocol()? == Some(IPPROTO_SMC.into());
        peer.tell(&smc)?;
        if smc & peer.hear::<bool>()? {
            socket.set_read_timeout(Some(PATIENCE))?;
            return Ok(socket);
        }
        let seen = carriers_of(std::process::id())?;
        peer.meet("it has been looked at")?;
        is_unconfirmed(peer, SERVER, seen)?;
    }
    bail!("{MOST_LOST} connections fell back")
}

fn connection(peer: &Peer) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
    if peer.node() == SERVER {
        let at = SocketAddr::new(address(SERVER, false), 0);
        socket.bind(&at.into())?;
        socket.listen(1)?;
        // A client that fails does not keep this one waiting for it.
        socket.set_read_timeout(Some(PATIENCE))?;
        peer.tell(&socket.local_addr()?.as_socket())?;
        return Ok(socket.accept()?.0);
    }
    let at: Option<SocketAddr> = peer.hear()?;
    socket.connect(&at.context("no address")?.into())?;
    Ok(socket)
}

/// Who reads from a connection that was broken is told that the stream has ended in order: the
/// server has sent half of something when its RDMA link is deleted. And that waits until the
/// server's program has closed its end.
fn broken(peer: &Peer) -> Result<()> {
    let mut socket = connected(peer)?;
    if peer.node() == SERVER {
        socket.write_all(b"half")?;
        peer.meet("half is there")?;
        let deleting = Task::start(|| Lack::Rdma.take())?;
        sleep(LONG);
        let waits = !deleting.is_done();
        peer.meet("the reader has been told")?;
        drop(socket);
        deleting.result("the RDMA link")??;
        Lack::Rdma.give_back(peer)?;
        ensure!(waits, "the link was deleted under an open socket");
        return Ok(());
    }
    let mut half = [0; 4];
    socket.read_exact(&mut half)?;
    peer.meet("half is there")?;
    let read = socket.read(&mut half).map_err(|error| error.raw_os_error());
    peer.meet("the reader has been told")?;
    same("read()", Ok(0), read)
}

/// What has not been sent 2 s after a shutdown gets lost, but for when it reaches the server
/// while that reads what came before it.
fn shut_downs(peer: &Peer) -> Result<()> {
    for _ in 0..MOST_SHUT_DOWN {
        if shut_down(peer)? {
            return Ok(());
        }
    }
    bail!("nothing was lost in {MOST_SHUT_DOWN} attempts")
}

/// Whether something is lost: the client sends what there is room for, and shuts down; the server
/// reads later.
fn shut_down(peer: &Peer) -> Result<bool> {
    let mut socket = connected(peer)?;
    if peer.node() == SERVER {
        peer.meet("the client has shut down")?;
        let mut heard = Vec::new();
        let read = socket.read_to_end(&mut heard);
        peer.tell(&heard.len())?;
        read.context("read")?;
        return peer.hear();
    }
    let sent = fill(&mut socket)?;
    let begun = Instant::now();
    socket.shutdown(Shutdown::Write).context("shutdown")?;
    let took = begun.elapsed();
    peer.meet("the client has shut down")?;
    let heard: usize = peer.hear()?;
    ensure!(took >= STREAM_WAIT, "shutdown() took {took:?}");
    let lost = heard < sent;
    peer.tell(&lost)?;
    Ok(lost)
}

/// Writes until there is no room any more, neither here nor at the peer; says how much.
fn fill(socket: &mut Socket) -> Result<usize> {
    socket.set_nonblocking(true)?;
    let (mut sent, mut last) = (0, Instant::now());
    while last.elapsed() < FULL {
        match socket.write(&[0; 4096]) {
            Ok(n) => (sent, last) = (sent + n, Instant::now()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(20)),
            Err(e) => return Err(e).context("write"),
        }
    }
    socket.set_nonblocking(false)?;
    Ok(sent)
}
