// SPDX-License-Identifier: GPL-2.0
//! Closing: at once, and nothing that was taken is lost.

use super::Question;
use super::Tells::Either;
use super::Tells::Same;
use super::place::Pair;
use super::place::Place;
use super::place::bytes;
use super::place::drain;
use super::place::fill;
use super::place::send;
use super::place::told;
use crate::kernel::task::joined;
use anyhow::Result;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use nix::unistd::fork;
use socket2::Socket;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

pub const QUESTIONS: [Question; 8] = [
    ("close() of a full socket", Either, close),
    ("shutdown() of a full socket", Either, shut),
    ("exit() with corked bytes", Either, exit),
    ("SIGKILL with corked bytes", Either, killed),
    (
        "shutdown() of both directions with bytes unread, twice",
        Same,
        both_directions,
    ),
    ("both fill, and then shut down, and then read", Either, both),
    ("SO_LINGER of 10 s, set on the listener", Either, linger),
    ("shutdown() of what is not connected", Same, unconnected),
];

/// At once, or not.
pub fn at_once(begun: Instant) -> &'static str {
    match begun.elapsed() < Duration::from_secs(1) {
        true => "at once",
        false => "late",
    }
}

/// Whether all of `sent` was `read`.
pub fn all(sent: usize, (read, right, ends): (usize, bool, [String; 2])) -> String {
    match read == sent {
        true => format!("all, right: {right}, {ends:?}"),
        false => format!("{read} of {sent}, right: {right}, {ends:?}"),
    }
}

fn close(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    let sent = fill(&client)?;
    let begun = Instant::now();
    drop(client);
    let when = at_once(begun);
    sleep(Duration::from_millis(300));
    Ok(format!("{when}, {}", all(sent, drain(&server))))
}

fn shut(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    let sent = fill(&client)?;
    let begun = Instant::now();
    let said = told(client.shutdown(Shutdown::Write));
    let when = at_once(begun);
    sleep(Duration::from_millis(300));
    Ok(format!("{said} {when}, {}", all(sent, drain(&server))))
}

/// A process of its own sends with `MSG_MORE` and then ends as `end` says.
fn ended(place: &Place, end: fn()) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    let bytes = bytes(1000);
    // SAFETY: The child calls what is safe after a signal, and nothing else.
    match unsafe { fork()? } {
        ForkResult::Child => {
            // SAFETY: As above; the bytes are readable.
            unsafe {
                let (fd, from) = (client.as_raw_fd(), bytes.as_ptr());
                libc::send(fd, from.cast(), bytes.len(), libc::MSG_MORE);
            }
            end();
            unreachable!("it has ended");
        }
        ForkResult::Parent { child } => {
            drop(client);
            waitpid(child, None)?;
        }
    }
    Ok(all(1000, drain(&server)))
}

fn exit(place: &Place) -> Result<String> {
    // SAFETY: That is what it is for.
    ended(place, || unsafe { libc::_exit(0) })
}

fn killed(place: &Place) -> Result<String> {
    ended(place, || {
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
    })
}

/// The peer sees an end in order: the reset comes with the close().
fn both_directions(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    send(&client, b"hello", 0)?;
    sleep(Duration::from_millis(100));
    let said = [(); 2].map(|()| told(server.shutdown(Shutdown::Both)));
    let ends = drain(&client).2;
    Ok(format!("{said:?}, {ends:?}"))
}

fn both(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    let sent = (fill(&client)?, fill(&server)?);
    let end = |socket: &Socket, theirs: usize| {
        socket.shutdown(Shutdown::Write)?;
        Ok(all(theirs, drain(socket)))
    };
    scope(|scope| {
        let other = scope.spawn(|| end(&server, sent.0));
        let one = end(&client, sent.1)?;
        Ok(format!("{one}; {}", joined(other)?))
    })
}

/// The accepted socket lingers as its listener: a reader that comes late gets all.
fn linger(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    listener.set_linger(Some(Duration::from_secs(10)))?;
    // It is taken over when the socket begins to listen, at the latest.
    listener.listen(8)?;
    let Pair { client, server } = place.pair_at(&listener)?;
    let sent = send(&server, &bytes(10_000), 0)?;
    let lingers = server.linger()?;
    drop(server);
    sleep(Duration::from_millis(200));
    Ok(format!("{lingers:?}, {}", all(sent, drain(&client))))
}

fn unconnected(place: &Place) -> Result<String> {
    let fresh = place.client()?;
    let said: Vec<_> = [Shutdown::Read, Shutdown::Write, Shutdown::Both]
        .map(|how| told(fresh.shutdown(how)))
        .into();
    let wrong = nix::errno::Errno::result(
        // SAFETY: A number.
        unsafe { libc::shutdown(fresh.as_raw_fd(), 7) },
    );
    Ok(format!("{said:?}, {wrong:?}"))
}
