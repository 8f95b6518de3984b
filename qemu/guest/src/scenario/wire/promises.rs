// SPDX-License-Identifier: GPL-2.0
//! The ends of connections over SMC-R: what has been accepted arrives, and nobody waits for it, as with
//! TCP. Asked of TCP, of selected sockets and of explicit SMC, in the same run; over SMC-R a full
//! connection has bytes that are not sent yet, which within one guest it has not.

use super::link_group;
use super::rdma_is_ready;
use crate::kernel::net::address;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::creation::switch::open;
use crate::scenario::promises::as_right;
use crate::scenario::promises::closing::all;
use crate::scenario::promises::closing::at_once;
use crate::scenario::promises::place::drain;
use crate::scenario::promises::place::fill;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use nix::unistd::fork;
use socket2::Socket;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const SERVER: u8 = 1;
/// Longer than SMC waits at a close (`SMC_MAX_STREAM_WAIT_TIMEOUT`).
const LATE: Duration = Duration::from_secs(4);
/// Longer than anything takes that comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Tcp,
    Selected,
    Explicit,
}

/// How a program ends it.
#[derive(Clone, Copy)]
enum End {
    Close,
    Shutdown,
    Exit,
    Kill,
}

const ENDS: [(&str, End); 4] = [
    ("close() of a full socket", End::Close),
    ("shutdown() of a full socket", End::Shutdown),
    ("exit() with a full socket", End::Exit),
    ("SIGKILL with a full socket", End::Kill),
];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-promises", |peer| {
        rdma_is_ready(peer)?;
        let smcify = Smcify::load()?;
        link_group(report, peer, &smcify, SERVER, address(SERVER, false))?;
        for (name, end) in ENDS {
            let answer = |kind| ended(peer, &smcify, kind, end);
            let right = answer(Kind::Tcp)?;
            report.note(format!("{name}: TCP: {right}"));
            let selected = answer(Kind::Selected)?;
            report.check(
                format!("{name}: selected as TCP"),
                as_right(&right, &selected),
            );
            let explicit = answer(Kind::Explicit)?;
            let lost = as_right(&right, &explicit);
            let differs = lost.is_err().then_some(()).context("as TCP");
            report.check(format!("{name}: explicit SMC loses some"), differs);
        }
        Ok(())
    })
}

/// The client fills a connection that the server does not read from, and ends it; what both say.
fn ended(peer: &Peer, smcify: &Smcify, kind: Kind, end: End) -> Result<String> {
    let socket = connection(peer, smcify, kind)?;
    let said = match peer.node() {
        SERVER => {
            let sent = peer.hear()?;
            sleep(LATE);
            all(sent, drain(&socket))
        }
        _ => {
            let sent = fill(&socket)?;
            let begun = Instant::now();
            let kept = leave(socket, end)?;
            let said = at_once(begun).to_owned();
            peer.tell(&sent)?;
            sleep(LATE);
            drop(kept);
            said
        }
    };
    peer.tell(&said)?;
    let other: String = peer.hear()?;
    Ok(match peer.node() {
        SERVER => format!("{other}: {said}"),
        _ => format!("{said}: {other}"),
    })
}

/// Ends a connection; the socket, if the program still has it.
fn leave(socket: Socket, end: End) -> Result<Option<Socket>> {
    let child = match end {
        End::Close => {
            drop(socket);
            return Ok(None);
        }
        End::Shutdown => {
            socket.shutdown(Shutdown::Write)?;
            return Ok(Some(socket));
        }
        // SAFETY: The child calls what is safe after a signal, and nothing else.
        End::Exit | End::Kill => match unsafe { fork()? } {
            ForkResult::Parent { child } => child,
            // SAFETY: As above.
            ForkResult::Child => unsafe {
                libc::usleep(300_000);
                if let End::Exit = end {
                    libc::_exit(0);
                }
                loop {
                    libc::pause();
                }
            },
        },
    };
    // The last that have it are the child and what becomes of it.
    drop(socket);
    if let End::Kill = end {
        kill(child, Signal::SIGKILL)?;
    }
    waitpid(child, None)?;
    Ok(None)
}

/// A connection from the other guest to the server.
fn connection(peer: &Peer, smcify: &Smcify, kind: Kind) -> Result<Socket> {
    smcify.set_default(if kind == Kind::Selected { "smc" } else { "tcp" })?;
    let protocol = if kind == Kind::Explicit {
        IPPROTO_SMC
    } else {
        IPPROTO_TCP
    };
    let socket = open(
        libc::AF_INET,
        libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
        protocol,
    )?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let socket = match peer.node() {
        SERVER => {
            socket.bind(&SocketAddr::new(address(SERVER, false), 0).into())?;
            socket.listen(1)?;
            peer.tell(&socket.local_addr()?.as_socket())?;
            let accepted = socket.accept()?.0;
            accepted.set_read_timeout(Some(PATIENCE))?;
            accepted
        }
        _ => {
            let at: Option<SocketAddr> = peer.hear()?;
            socket.connect(&at.context("no address")?.into())?;
            let smc = socket.protocol()? == Some(IPPROTO_SMC.into());
            ensure!(smc == (kind != Kind::Tcp), "{kind:?}: SMC: {smc}");
            socket
        }
    };
    Ok(socket)
}
