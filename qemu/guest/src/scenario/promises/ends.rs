// SPDX-License-Identifier: GPL-2.0
//! No byte is lost, whatever the end: many connections of random length, with random halts, which
//! end at random, TCP's and selected ones beside each other. Of each the reader has all that the
//! writer was told that it had gone, or both ends know that something went wrong.

use super::place::Kind;
use super::place::Pair;
use super::place::Place;
use super::place::byte;
use super::place::drain;
use super::place::receive;
use super::place::send;
use super::place::told;
use crate::kernel::kmemleak;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::scenario::data::transfer::LOOPBACKS;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use nix::unistd::fork;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::RngCore;
use rand_xoshiro::rand_core::SeedableRng;
use socket2::Socket;
use std::net::Shutdown;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;

/// Where nothing is debugged there is time for many.
const MANY: usize = 20_000;
const SOME: usize = 150;
/// Twice what a connection buffers by default.
const LONGEST: u64 = 256 << 10;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The writer closes.
    Close,
    /// It says that it sends no more, and reads to the end.
    Shutdown,
    /// Its process ends.
    Exit,
    /// Its process is killed.
    Kill,
    /// It throws the connection away.
    Reset,
    /// The reader closes before it has read all.
    Leave,
}

const ENDS: [End; 6] = [
    End::Close,
    End::Shutdown,
    End::Exit,
    End::Kill,
    End::Reset,
    End::Leave,
];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    // Whatever the default is, the hook stays attached: to take it off takes a while.
    let _kept = Rule::saying("smc", "comm:nobody")?;
    super::sending::count_pipes()?;
    let count = if kmemleak::is_there() { SOME } else { MANY };
    scope(|scope| {
        let asked = [Kind::Tcp, Kind::Selected].map(|kind| {
            let smcify = &smcify;
            (kind, scope.spawn(move || many(smcify, kind, count)))
        });
        for (kind, asked) in asked {
            report.check(format!("{kind:?}: {count} connections"), joined(asked));
        }
    });
    Ok(())
}

/// One after the other; the first that goes wrong ends it.
fn many(smcify: &Smcify, kind: Kind, count: usize) -> Result<()> {
    let mut random = SplitMix64::seed_from_u64(kind as u64);
    for number in 0..count {
        let ip = LOOPBACKS[number % LOOPBACKS.len()];
        let place = Place { smcify, kind, ip };
        let end = ENDS[(random.next_u64() % ENDS.len() as u64) as usize];
        let seed = random.next_u64();
        one(&place, end, seed)
            .with_context(|| format!("connection {number}, {end:?}, {seed:#x}"))?;
    }
    Ok(())
}

/// A connection: what its writer says it sent, and what its reader has.
fn one(place: &Place, end: End, seed: u64) -> Result<()> {
    let Pair { client, server } = place.pair()?;
    let mut random = SplitMix64::seed_from_u64(seed);
    let length = (random.next_u64() % LONGEST) as usize;
    let halt = Duration::from_millis(random.next_u64() % 8);
    let part = 1 + (random.next_u64() % (64 << 10)) as usize;
    let leave = matches!(end, End::Leave).then_some(length / 2);
    let (sent, (read, right, ends)) = scope(|scope| {
        let reader = scope.spawn(move || {
            sleep(halt);
            match leave {
                None => Ok(drain(&server)),
                Some(most) => some(server, most),
            }
        });
        let sent = write(client, end, length, part)?;
        Ok::<_, anyhow::Error>((sent, joined(reader)?))
    })?;
    ensure!(right, "{read} bytes, and not the right ones");
    let [first, second] = ends;
    match end {
        End::Close | End::Shutdown | End::Exit | End::Kill => {
            let (sent, error) = sent;
            ensure!(error.is_none(), "the writer: {error:?}");
            ensure!(read == sent, "{read} of {sent} bytes, {first}, {second}");
            ensure!(first == "end" && second == "0", "{first}, {second}");
        }
        End::Reset => ensure!(
            first == "ECONNRESET" && second == "0",
            "{first}, {second}, of a reset"
        ),
        // What nobody has read must be known to be lost.
        End::Leave => {
            let (sent, error) = sent;
            ensure!(sent <= read || error.is_some(), "{read} of {sent} bytes");
        }
    }
    Ok(())
}

/// Reads up to `most` bytes, and closes.
fn some(socket: Socket, most: usize) -> Result<(usize, bool, [String; 2])> {
    let (mut count, mut right) = (0, true);
    while count < most {
        let bytes = receive(&socket, (most - count).min(1 << 14), 0)?;
        ensure!(!bytes.is_empty(), "an end after {count} bytes");
        right &= bytes.iter().zip(count..).all(|(it, at)| *it == byte(at));
        count += bytes.len();
    }
    Ok((count, right, [String::new(), String::new()]))
}

/// Sends `length` bytes in parts, and ends the connection; how many it was told had gone, and the
/// error that told it that more had not.
fn write(socket: Socket, end: End, length: usize, part: usize) -> Result<(usize, Option<String>)> {
    let (mut sent, mut error) = (0, None);
    while sent < length && error.is_none() {
        let bytes: Vec<u8> = (sent..length.min(sent + part)).map(byte).collect();
        match send(&socket, &bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => sent += count,
            Err(e) => error = Some(told::<()>(Err(e))),
        }
    }
    match end {
        End::Close => drop(socket),
        End::Reset => {
            socket.set_linger(Some(Duration::ZERO))?;
            drop(socket);
        }
        End::Shutdown => {
            socket.shutdown(Shutdown::Write)?;
            let (read, _, ends) = drain(&socket);
            ensure!(
                read == 0 && ends[0] == "end",
                "the writer: {read}, {ends:?}"
            );
        }
        End::Leave => {
            let last = drain(&socket).2;
            error = error.or_else(|| (last[0] != "end").then(|| last[0].clone()));
        }
        // SAFETY: The child calls what is safe after a signal, and nothing else.
        End::Exit | End::Kill => match unsafe { fork()? } {
            // SAFETY: As above.
            ForkResult::Child => unsafe {
                if let End::Exit = end {
                    libc::_exit(0);
                }
                loop {
                    libc::pause();
                }
            },
            ForkResult::Parent { child } => {
                drop(socket);
                if let End::Kill = end {
                    kill(child, Signal::SIGKILL)?;
                }
                waitpid(child, None)?;
            }
        },
    }
    if sent < length && error.is_none() {
        bail!("{sent} of {length} bytes, and no error");
    }
    Ok((sent, error))
}
