// SPDX-License-Identifier: GPL-2.0
//! The removed ULP while others are at the same socket. First each of them in its place, held
//! there until the conversion is over; then all at once, on many sockets; and last what close
//! does to RCU's list, after which there is little left of the kernel.

use super::ulp::both_ways;
use super::ulp::swapped;
use crate::kernel::task::Task;
use crate::kernel::ulp;
use crate::kernel::until::until;
use crate::program::descriptor::Inode;
use crate::program::descriptor::fdinfo;
use crate::program::descriptor::path_of;
use crate::scenario::Report;
use crate::scenario::creation::switch::open;
use crate::scenario::fixes::hole::Hole;
use crate::scenario::fixes::parcel::Parcel;
use crate::scenario::fixes::rcu;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Error;
use anyhow::Result;
use anyhow::bail;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::sys::stat::fstat;
use nix::unistd::Pid;
use socket2::Socket;
use std::fs::read;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// How long the others and the one race.
const RACE: Duration = Duration::from_secs(2);
/// How many sockets are there at a time.
const SOCKETS: usize = 8;
/// 64 MiB: freeing them takes the kernel far longer than a conversion.
const HOLE: usize = 16 << 10;
/// How long the kernel may take to begin with that.
const HEAD_START: Duration = Duration::from_millis(10);
/// How often a sender may come too early or too late.
const ATTEMPTS: usize = 10;
/// How long a poll lasts that is to see a client, and one that is not, in milliseconds.
const POLL: u16 = 10_000;
const SHORT_POLL: u16 = 2_500;

/// How often RCU's list is cut.
const CUTS: usize = 3;

/// How the ULP is answered.
type Answer = Result<(), Errno>;

/// One after the other.
type Part = fn(&mut Report, Answer) -> Result<()>;

/// The scenario, without smcify or with it.
pub fn run(report: &mut Report, with: bool) -> Result<()> {
    let smcify = with.then(Smcify::load).transpose()?;
    if let Some(smcify) = &smcify {
        report.check("smcify is in force", smcify.has_fixed(ulp::INIT));
    }
    let answer = match smcify {
        Some(_) => ulp::REFUSED,
        None => Ok(()),
    };
    let parts: [(&str, Part); 4] = [
        ("held in poll, accept, dup, SCM_RIGHTS and /proc", held),
        ("held in sendmsg", sending),
        ("all at once", race),
        ("closed while RCU has the inode", closing),
    ];
    for (name, part) in parts {
        report.group(name, |report| {
            if let Err(e) = part(report, answer) {
                report.check("runs to its end", Err(e));
            }
        });
    }
    Ok(())
}

fn stream() -> Result<Socket> {
    Ok(open(libc::AF_INET, libc::SOCK_STREAM, 0)?)
}

fn listener() -> Result<Socket> {
    let listener = stream()?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(8)?;
    Ok(listener)
}

/// A listener is converted while one thread sleeps in poll(2) and one in accept(2), a copy of
/// the descriptor lies in a UNIX socket, and a reader of /proc has it open.
fn held(report: &mut Report, answer: Answer) -> Result<()> {
    let listener = listener()?;
    let at = listener.local_addr()?;
    let old = fstat(&listener)?.st_ino;
    let copy = listener.try_clone().context("dup")?;
    let patience = answer.map_or(POLL, |()| SHORT_POLL);
    let polling = Task::start(move || readable(&copy, patience))?;
    let copy = listener.try_clone().context("dup")?;
    let accepting = Task::start(move || copy.accept())?;
    let parcel = Parcel::send(&listener)?;
    let path = path_of(&listener)?;
    polling.until_waiting_in("do_sys_poll")?;
    accepting.until_waiting_in("inet_csk_accept")?;

    report.check("TCP_ULP", same("setsockopt", answer, ulp::ask(&listener)));
    let names = [Inode::of(&listener)?, Inode::of(&path)?];
    report.check(
        "inode numbers",
        match answer {
            Ok(()) => swapped(old, names),
            Err(_) => same("inode", [Inode::all(old); 2], names),
        },
    );
    let client = stream()?;
    client.connect(&at).context("connect")?;
    let (accepted, _) = accepting.result("accept")?.context("accept")?;
    report.check("accept gives its socket", both_ways(&client, &accepted));
    // The first client may have been accepted before poll(2) looked; this one stays.
    let other = stream()?;
    other.connect(&at).context("connect")?;
    match answer {
        // It sleeps at the TCP socket and asks the SMC socket, which knows of no client.
        Ok(()) => {
            let asleep = !polling.is_done();
            let seen = polling.result("poll")??;
            let slept = same("still asleep, and events", (true, false), (asleep, seen));
            report.check("poll sleeps on", slept);
        }
        Err(_) => {
            let seen = polling.result("poll")??;
            report.check("poll sees the client", same("events", true, seen));
        }
    }
    let received = parcel.receive()?;
    report.check(
        "what arrives by SCM_RIGHTS is the same file",
        same("inode", Inode::of(&listener)?, Inode::of(&received)?),
    );

    drop((received, listener, accepted, client, other));
    rcu::barrier()?;
    let left = (fdinfo(&path)?, fstat(&path)?.st_ino);
    report.note(format!("{old}: fdinfo and fstat after close: {left:?}"));
    Ok(())
}

/// Whether there is something to read, or to accept, within so many milliseconds.
fn readable(socket: &Socket, patience: u16) -> Result<bool, Errno> {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut asked, PollTimeout::from(patience))? == 1)
}

/// A socket is converted while sendmsg(2) has it, but not yet its arguments: these are in
/// memory that is slow to come.
fn sending(report: &mut Report, answer: Answer) -> Result<()> {
    let hole = Arc::new(Hole::new(HOLE)?);
    for _ in 0..ATTEMPTS {
        hole.fill()?;
        let socket = Arc::new(stream()?);
        let punching = {
            let hole = hole.clone();
            Task::start(move || hole.punch())?
        };
        sleep(HEAD_START);
        let sender = {
            let (hole, socket) = (hole.clone(), socket.clone());
            Task::start(move || send_from(&socket, &hole))?
        };
        let held = || sender.is_asleep_in("shmem_fault");
        while !punching.is_done() && !sender.is_done() && !held() {}
        let found = ulp::ask(&socket);
        if !held() {
            report.note("a sender that was not held");
            punching.result("punching")??;
            continue;
        }
        report.check("TCP_ULP under a sender", same("setsockopt", answer, found));
        punching.result("punching")??;
        match answer {
            Ok(()) => {
                let killed = until("the sender's death", || Ok(sender.is_killed()));
                report.check("the kernel kills the sender", killed);
            }
            Err(_) => {
                let expected = Err(Errno::EPIPE);
                let sent = same("sendmsg", expected, sender.result("sendmsg")?);
                report.check("the sender is told that it is not connected", sent);
            }
        }
        return Ok(());
    }
    bail!("none of {ATTEMPTS} senders was held")
}

/// sendmsg(2) with a message of zeroes: no data, no address.
fn send_from(socket: &Socket, hole: &Hole) -> Result<(), Errno> {
    let message = hole.page().cast::<libc::msghdr>();
    // SAFETY: the kernel checks the address and what it reads there.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), message, libc::MSG_NOSIGNAL) };
    Errno::result(sent).map(drop)
}

/// What one thread of the race does to a socket, again and again. Most of it fails most of
/// the time: the sockets are not connected.
type Act = fn(&Socket);

const ACTS: [(&str, Act); 8] = [
    ("poll", |it| {
        let _ = readable(it, 1);
    }),
    ("accept", |it| drop(it.accept())),
    ("sendmsg", |it| drop(it.send_vectored(&[]))),
    ("recvmsg", |it| drop(it.recv_vectored(&mut []))),
    ("dup", |it| drop(it.try_clone())),
    ("SCM_RIGHTS", |it| {
        drop(Parcel::send(it).and_then(Parcel::receive))
    }),
    ("/proc/self/fdinfo", |it| {
        let path = path_of(it);
        drop((Inode::of(it), path.map(Inode::of)));
    }),
    ("/proc/net", |_| {
        for name in ["tcp", "unix", "protocols"] {
            drop(read(format!("/proc/self/net/{name}")));
        }
    }),
];

/// What the threads of the race share.
struct Arena {
    sockets: [Mutex<Arc<Socket>>; SOCKETS],
    over: AtomicBool,
    done: [AtomicU64; ACTS.len()],
}

impl Arena {
    fn socket(&self, number: usize) -> Arc<Socket> {
        let slot = &self.sockets[number % SOCKETS];
        slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn act(&self, number: usize) {
        let (_, act) = ACTS[number];
        for turn in 0.. {
            if self.over.load(Relaxed) {
                return;
            }
            act(&self.socket(turn));
            self.done[number].fetch_add(1, Relaxed);
        }
    }
}

/// Sockets are made, converted and closed, one after the other, while eight threads use them.
fn race(report: &mut Report, answer: Answer) -> Result<()> {
    let fresh = |number: usize| {
        let socket = match number % 2 {
            0 => stream()?,
            _ => listener()?,
        };
        socket.set_nonblocking(true)?;
        Ok::<_, Error>(Arc::new(socket))
    };
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        sockets.push(Mutex::new(fresh(number)?));
    }
    let Ok(sockets) = sockets.try_into() else {
        bail!("not {SOCKETS} sockets");
    };
    let arena = Arc::new(Arena {
        sockets,
        over: AtomicBool::new(false),
        done: Default::default(),
    });
    let mut actors = Vec::new();
    for number in 0..ACTS.len() {
        let arena = arena.clone();
        actors.push(Task::start(move || arena.act(number))?);
    }

    let begun = Instant::now();
    let mut other = None;
    let mut asked = 0;
    while begun.elapsed() < RACE {
        let socket = fresh(asked)?;
        let slot = &arena.sockets[asked % SOCKETS];
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = socket.clone();
        sleep(Duration::from_millis(1));
        let found = ulp::ask(&socket);
        other = other.or((found != answer).then_some(found));
        asked += 1;
    }
    arena.over.store(true, Relaxed);
    let end = |it: &Task<()>| it.is_done() || it.is_killed();
    until("the end of the race", || Ok(actors.iter().all(end)))?;

    let done = ACTS.iter().zip(&arena.done);
    let done: Vec<_> = done
        .map(|((name, _), done)| format!("{name} {}", done.load(Relaxed)))
        .collect();
    report.note(format!("{asked} sockets; {}", done.join(", ")));
    let killed = actors.iter().zip(ACTS).filter(|(it, _)| it.is_killed());
    let killed: Vec<_> = killed.map(|(_, (name, _))| name).collect();
    report.note(format!("killed by the kernel: {killed:?}"));
    report.check(
        "TCP_ULP is answered the same each time",
        match other {
            None => Ok(()),
            Some(other) => same("setsockopt", answer, other),
        },
    );
    let idle = arena.done.iter().filter(|it| it.load(Relaxed) == 0);
    report.check("every thread had its turn", same("idle", 0, idle.count()));
    if answer.is_err() {
        report.check("every thread lives", same("killed", Vec::new(), killed));
    }
    Ok(())
}

/// A socket is converted and closed, and right after it another socket, and an O_PATH
/// descriptor of the first. The kernel takes the dentry off the list of the freed inode; but
/// where the list's head was RCU now has the link to the callback after it: the other's.
fn closing(report: &mut Report, answer: Answer) -> Result<()> {
    let closed = Task::start(|| {
        // RCU has a list for each processor.
        let mut first = CpuSet::new();
        first.set(0)?;
        sched_setaffinity(Pid::from_raw(0), &first)?;
        let mut answers = Vec::new();
        // Once is enough, unless RCU has freed the inode before the descriptor is closed.
        for _ in 0..CUTS {
            let socket = stream()?;
            let path = path_of(&socket)?;
            let other = stream()?;
            answers.push(ulp::ask(&socket));
            drop(socket);
            drop(other);
            drop(path);
        }
        Ok::<_, Error>(answers)
    })?;
    let answers = closed.result("close")??;
    report.check("TCP_ULP", same("setsockopt", vec![answer; CUTS], answers));
    // Long enough for RCU to come to the cut.
    sleep(Duration::from_millis(500));
    Ok(())
}
