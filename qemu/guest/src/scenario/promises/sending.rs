// SPDX-License-Identifier: GPL-2.0
//! Sending: whole sends, edges, corks, faults, and how a program is told that nobody reads.

use super::Question;
use super::Tells::Other;
use super::Tells::Same;
use super::closing::at_once;
use super::place::NEVER;
use super::place::Place;
use super::place::bytes;
use super::place::drain;
use super::place::receive;
use super::place::send;
use super::place::told;
use crate::kernel::task::joined;
use anyhow::Context;
use anyhow::Result;
use nix::sys::epoll::Epoll;
use nix::sys::epoll::EpollCreateFlags;
use nix::sys::epoll::EpollEvent;
use nix::sys::epoll::EpollFlags;
use nix::sys::epoll::EpollTimeout;
use nix::sys::mman::MapFlags;
use nix::sys::mman::ProtFlags;
use nix::sys::mman::mmap_anonymous;
use nix::sys::mman::munmap;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;
use nix::unistd::pipe;
use socket2::Socket;
use std::cell::Cell;
use std::fs::File;
use std::io::Seek;
use std::io::Write;
use std::net::Shutdown;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

pub const QUESTIONS: [Question; 12] = [
    ("a blocking send of 1 MiB takes all", Other, whole),
    ("room after a short send is an event", Other, edge),
    ("MSG_MORE alone arrives", Other, more),
    ("what TCP_CORK holds arrives", Other, cork),
    (
        "a sendfile() with a count too large arrives",
        Other,
        sendfile,
    ),
    ("a splice() that promises more arrives", Other, splice),
    (
        "sends that run into an unmapped page lose nothing",
        super::Tells::Either,
        fault,
    ),
    (
        "SIGPIPE comes with EPIPE after shutdown()",
        Other,
        after_shutdown,
    ),
    (
        "and on a socket that was never connected",
        Other,
        unconnected,
    ),
    ("to a peer that has closed in order", Other, to_closed),
    (
        "a reset in the middle of a send is told by the next call",
        Other,
        reset_inside,
    ),
    (
        "a part that was taken before a timeout is told",
        Same,
        interrupted,
    ),
];

/// A thread sends what another reads slowly.
fn whole(place: &Place) -> Result<String> {
    const MIB: usize = 1 << 20;
    let pair = place.pair()?;
    scope(|scope| {
        let reader = scope.spawn(|| {
            sleep(Duration::from_millis(200));
            Ok(drain(&pair.server))
        });
        let sent = send(&pair.client, &bytes(MIB), 0);
        pair.client.shutdown(Shutdown::Write)?;
        Ok(format!("{}, read {:?}", told(sent), joined(reader)?))
    })
}

/// An edge-triggered poller fills its socket by one call, and waits until it may go on.
fn edge(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    pair.client.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let event = EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, 0);
    epoll.add(&pair.client, event)?;
    let mut found = [EpollEvent::empty()];
    epoll.wait(&mut found, EpollTimeout::ZERO)?;
    let sent = send(&pair.client, &bytes(64 << 20), 0)?;
    let mut left = sent;
    while left > 0 {
        left -= receive(&pair.server, left.min(1 << 16), 0)?.len();
    }
    let events = epoll.wait(&mut found, EpollTimeout::try_from(NEVER)?)?;
    Ok(format!("{events} events"))
}

/// What arrives of five bytes, in a while.
fn arrives(socket: &Socket) -> Result<String> {
    socket.set_read_timeout(Some(NEVER))?;
    let mut all = Vec::new();
    while all.len() < 5 {
        match receive(socket, 16, 0) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => all.extend(bytes),
            Err(e) => return Ok(format!("{all:?}, then {}", told::<()>(Err(e)))),
        }
    }
    Ok(format!("{:?}", String::from_utf8_lossy(&all)))
}

fn more(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    let sent = told(send(&pair.client, b"hello", libc::MSG_MORE));
    Ok(format!("{sent}: {}", arrives(&pair.server)?))
}

fn cork(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    pair.client.set_tcp_cork(true)?;
    let sent = told(send(&pair.client, b"hello", 0));
    let arrived = arrives(&pair.server)?;
    Ok(format!("{sent}: {arrived}, {}", pair.client.tcp_cork()?))
}

fn sendfile(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(format!("/tmp/five-{:?}", place.kind))?;
    file.write_all(b"hello")?;
    file.rewind()?;
    let sent = nix::sys::sendfile::sendfile(&pair.client, &file, None, 1 << 16)?;
    Ok(format!("{sent}: {}", arrives(&pair.server)?))
}

fn splice(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    let (from, to) = pipe()?;
    nix::unistd::write(&to, b"hello")?;
    let flags = nix::fcntl::SpliceFFlags::SPLICE_F_MORE;
    let sent = nix::fcntl::splice(&from, None, &pair.client, None, 1 << 16, flags)?;
    Ok(format!("{sent}: {}", arrives(&pair.server)?))
}

/// Sends of growing length from before a page that is not there: all that `send()` said it took is
/// read, and right.
fn fault(place: &Place) -> Result<String> {
    const ROUNDS: usize = 2_000;
    const PAGE: usize = 4096;
    const MAPPED: usize = 16 * PAGE;
    let pair = place.pair()?;
    let size = NonZeroUsize::new(MAPPED + PAGE).context("no size")?;
    let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: New memory, of which the last page is given back.
    let memory = unsafe {
        let memory = mmap_anonymous(None, size, prot, MapFlags::MAP_PRIVATE)?;
        munmap(memory.byte_add(MAPPED), PAGE)?;
        memory.cast::<u8>()
    };
    let answer = scope(|scope| {
        let reader = scope.spawn(|| Ok(drain(&pair.server)));
        let (mut said, mut faults) = (0, 0);
        for round in 0..ROUNDS {
            let inside = (round * 7919) % MAPPED;
            let length = inside + if round % 3 == 0 { 100 } else { 0 };
            // SAFETY: Within the mapping; the kernel may be asked to read beyond.
            let (sent, from) = unsafe {
                let from = memory.byte_add(MAPPED - inside).as_ptr();
                for at in 0..inside {
                    from.add(at).write(super::place::byte(said + at));
                }
                let fd = pair.client.as_raw_fd();
                (libc::send(fd, from.cast(), length, 0), from)
            };
            let _ = from;
            match usize::try_from(sent) {
                Ok(sent) => said += sent,
                Err(_) => faults += 1,
            }
        }
        pair.client.shutdown(Shutdown::Write)?;
        let (read, right, ends) = joined(reader)?;
        Ok(format!(
            "{} read of what was taken, right: {right}, {ends:?}, faults: {}",
            match read == said {
                true => "all".into(),
                false => format!("{read} of {said}"),
            },
            faults > 0
        ))
    });
    // SAFETY: Nobody reads from it any more.
    unsafe { munmap(memory.cast(), MAPPED)? };
    answer
}

thread_local! {
    /// How often this thread has had SIGPIPE: it is sent to the thread that writes.
    static PIPES: Cell<usize> = const { Cell::new(0) };
}

extern "C" fn count_pipe(_signal: i32) {
    PIPES.set(PIPES.get() + 1);
}

/// From now on SIGPIPE is counted.
pub fn count_pipes() -> Result<()> {
    let counting = SigHandler::Handler(count_pipe);
    let counting = SigAction::new(counting, SaFlags::empty(), SigSet::empty());
    // SAFETY: The handler only counts.
    unsafe { sigaction(Signal::SIGPIPE, &counting)? };
    Ok(())
}

/// What `with` says, and whether SIGPIPE came meanwhile.
pub fn pipes(with: impl FnOnce() -> String) -> String {
    let before = PIPES.get();
    let said = with();
    format!("{said}, SIGPIPE: {}", PIPES.get() > before)
}

/// Twice: with and without a signal.
fn twice(socket: &Socket) -> Result<String> {
    let loud = pipes(|| told(send(socket, b"hello", 0)));
    let quiet = pipes(|| told(send(socket, b"hello", libc::MSG_NOSIGNAL)));
    Ok(format!("{loud}; {quiet}"))
}

fn after_shutdown(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    pair.client.shutdown(Shutdown::Write)?;
    twice(&pair.client)
}

fn unconnected(place: &Place) -> Result<String> {
    let (fresh, listening) = (place.client()?, place.listener()?);
    Ok(format!("{}; {}", twice(&fresh)?, twice(&listening)?))
}

/// Once the peer's closing is known, and whoever has sent since.
fn to_closed(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    drop(pair.server);
    let end = told(receive(&pair.client, 1, 0).map(|it| it.len()));
    // TCP finds out by the answer to the first bytes.
    let _ = send(&pair.client, b"hello", libc::MSG_NOSIGNAL);
    sleep(Duration::from_millis(100));
    Ok(format!("{end}, {}", twice(&pair.client)?))
}

/// The peer throws the connection away while a blocking send waits for room.
fn reset_inside(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    pair.server.set_linger(Some(Duration::ZERO))?;
    let (server, all) = (pair.server, bytes(64 << 20));
    let sent = scope(|scope| {
        let leaver = scope.spawn(move || {
            sleep(Duration::from_millis(500));
            drop(server);
            Ok(())
        });
        let sent = send(&pair.client, &all, libc::MSG_NOSIGNAL);
        joined(leaver).map(|()| sent)
    })?;
    let some = sent.map(|it| it > 0 && it < 64 << 20);
    Ok(format!("some: {}, {:?}", told(some), drain(&pair.client)))
}

/// A blocking send that a timeout ends when the connection is full.
fn interrupted(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    pair.client
        .set_write_timeout(Some(Duration::from_millis(300)))?;
    let all = bytes(64 << 20);
    let begun = Instant::now();
    let first = send(&pair.client, &all, 0)?;
    Ok(format!("some: {} {}", first > 0, at_once(begun)))
}
