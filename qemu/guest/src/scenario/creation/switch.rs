// SPDX-License-Identifier: GPL-2.0
//! The switch: what a new socket is while smcify is absent, idle, on, off again and gone,
//! and that a socket never changes after its creation.

use crate::diag;
use crate::diag::AF_SMC;
use crate::kernel::module;
use crate::scenario::Report;
use crate::scenario::same;
use crate::smcify;
use crate::smcify::Count;
use crate::smcify::Smcify;
use crate::smcify::Stats;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::errno::Errno;
use nix::sys::stat::fstat;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

pub const IPPROTO_TCP: i32 = libc::IPPROTO_TCP;
pub const IPPROTO_SMC: i32 = 256;

/// What programs ask for when they mean TCP.
fn asks_for_tcp() -> Vec<(i32, i32, i32)> {
    let types = [0, libc::SOCK_NONBLOCK, libc::SOCK_CLOEXEC]
        .into_iter()
        .chain([libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC])
        .map(|flags| libc::SOCK_STREAM | flags);
    let each = |kind| {
        [libc::AF_INET, libc::AF_INET6]
            .into_iter()
            .flat_map(move |family| [0, IPPROTO_TCP].map(|protocol| (family, kind, protocol)))
    };
    types.flat_map(each).collect()
}

/// A name, what is asked for, and the protocol or error that it gets.
type Other = (&'static str, i32, i32, i32, Result<i32, Errno>);

/// What else programs ask for.
const OTHERS: [Other; 12] = [
    ("UDP", libc::AF_INET, libc::SOCK_DGRAM, 0, Ok(17)),
    ("UDP, explicit", libc::AF_INET, libc::SOCK_DGRAM, 17, Ok(17)),
    ("UDP over IPv6", libc::AF_INET6, libc::SOCK_DGRAM, 0, Ok(17)),
    ("UNIX stream", libc::AF_UNIX, libc::SOCK_STREAM, 0, Ok(0)),
    ("raw", libc::AF_INET, libc::SOCK_RAW, 1, Ok(1)),
    ("raw TCP", libc::AF_INET, libc::SOCK_RAW, 6, Ok(6)),
    ("MPTCP", libc::AF_INET, libc::SOCK_STREAM, 262, Ok(262)),
    (
        "MPTCP over IPv6",
        libc::AF_INET6,
        libc::SOCK_STREAM,
        262,
        Ok(262),
    ),
    (
        "explicit SMC",
        libc::AF_INET,
        libc::SOCK_STREAM,
        256,
        Ok(256),
    ),
    ("AF_SMC", AF_SMC, libc::SOCK_STREAM, 0, Ok(0)),
    ("netlink", libc::AF_NETLINK, libc::SOCK_RAW, 0, Ok(0)),
    (
        "a stream of UDP",
        libc::AF_INET,
        libc::SOCK_STREAM,
        17,
        Err(Errno::EPROTONOSUPPORT),
    ),
];

/// What a socket is: its protocol, and whether SMC_DIAG knows it.
type Nature = (i32, bool);

const TCP: Nature = (IPPROTO_TCP, false);
const SMC: Nature = (IPPROTO_SMC, true);

/// Sockets of earlier steps, with what they were then.
#[derive(Default)]
struct Kept(Vec<(&'static str, Socket, Nature)>);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let mut kept = Kept::default();
    step(report, &mut kept, "not loaded", TCP);

    let smcify = Smcify::load()?;
    report.check(
        "tcp after insmod",
        same("default", "tcp".into(), smcify.default()?),
    );
    report.check("idle: only fixes are hooked", smcify.hooks_only_fixes());
    report.check(
        "version",
        same("version", "0.1.0".into(), smcify.version()?),
    );
    report.check("a second insmod is refused", second_load());
    step(report, &mut kept, "loaded and idle", TCP);

    smcify.set_default("smc\n")?;
    report.check(
        "smc reads back",
        same("default", "smc".into(), smcify.default()?),
    );
    step(report, &mut kept, "default=smc", SMC);
    report.check("junk is refused", junk(&smcify));
    step(report, &mut kept, "after junk", SMC);
    report.check("stats are exact", stats(&smcify));

    smcify.set_default("tcp")?;
    report.check(
        "tcp again: only fixes are hooked",
        smcify.hooks_only_fixes(),
    );
    step(report, &mut kept, "back to tcp", TCP);
    report.check("nothing is counted while idle", idle_stats(&smcify));

    smcify.set_default("smc")?;
    report.check("rmmod while on", smcify.unload());
    report.check("nothing is left", smcify::nothing_left());
    step(report, &mut kept, "unloaded", TCP);
    Ok(())
}

fn step(report: &mut Report, kept: &mut Kept, name: &'static str, expected: Nature) {
    report.check(
        format!("{name}: new sockets"),
        new_sockets(kept, name, expected),
    );
    report.check(format!("{name}: all others"), others());
    report.check(format!("{name}: earlier sockets"), unchanged(kept));
}

pub fn open(family: i32, kind: i32, protocol: i32) -> std::io::Result<Socket> {
    let protocol = Some(Protocol::from(protocol));
    // `new_raw` adds no flags of its own.
    Socket::new_raw(Domain::from(family), Type::from(kind), protocol)
}

/// A socket's `SO_PROTOCOL`.
pub fn protocol(socket: &Socket) -> Result<i32> {
    Ok(socket.protocol()?.map_or(0, i32::from))
}

fn nature(socket: &Socket) -> Result<Nature> {
    let inode = fstat(socket)?.st_ino;
    Ok((protocol(socket)?, diag::socket(inode)?.is_some()))
}

fn new_sockets(kept: &mut Kept, name: &'static str, expected: Nature) -> Result<()> {
    for (family, kind, asked) in asks_for_tcp() {
        let what = format!("socket({family}, {kind:#o}, {asked})");
        let socket = open(family, kind, asked).with_context(|| what.clone())?;
        same(&what, expected, nature(&socket)?)?;
        if kind == libc::SOCK_STREAM {
            kept.0.push((name, socket, expected));
        }
    }
    Ok(())
}

fn others() -> Result<()> {
    for (name, family, kind, asked, expected) in OTHERS {
        let found = match open(family, kind, asked) {
            Ok(socket) => Ok(protocol(&socket)?),
            Err(e) => Err(Errno::from_raw(e.raw_os_error().unwrap_or(0))),
        };
        same(name, expected, found)?;
    }
    let (one, other) = Socket::pair(Domain::UNIX, Type::STREAM, None).context("socketpair")?;
    same("socketpair", (0, 0), (protocol(&one)?, protocol(&other)?))?;
    match Socket::pair(Domain::IPV4, Type::STREAM, None) {
        Ok(_) => bail!("a socketpair of AF_INET"),
        Err(e) => same(
            "socketpair of AF_INET",
            Some(libc::EOPNOTSUPP),
            e.raw_os_error(),
        ),
    }
}

fn unchanged(kept: &Kept) -> Result<()> {
    for (name, socket, expected) in &kept.0 {
        same(
            &format!("a socket of step {name:?}"),
            *expected,
            nature(socket)?,
        )?;
    }
    Ok(())
}

fn second_load() -> Result<()> {
    same(
        "insmod",
        Err(Errno::EEXIST),
        module::try_load(smcify::MODULE)?,
    )
}

fn junk(smcify: &Smcify) -> Result<()> {
    for value in [
        "", "\n", "SMC", "smc tcp", "smc\n\n", " smc", "smcx", "tc", "1", "smc\0",
    ] {
        match smcify::set_default(value) {
            // Writing nothing is no write at all.
            Ok(()) if value.is_empty() => {}
            Ok(()) => bail!("{value:?} was taken"),
            Err(e) => same(&format!("{value:?}"), Some(libc::EINVAL), e.raw_os_error())?,
        }
        same(
            &format!("default after {value:?}"),
            "smc".into(),
            smcify.default()?,
        )?;
    }
    Ok(())
}

/// Opens a known number of sockets of each kind, and expects these to be counted.
fn stats(smcify: &Smcify) -> Result<()> {
    let before = smcify.stats()?;
    let mut open_all = Vec::new();
    for (family, kind, asked) in asks_for_tcp() {
        open_all.push(open(family, kind, asked)?);
    }
    for (_, family, kind, asked, _) in OTHERS {
        open_all.extend(open(family, kind, asked).ok());
    }
    open_all.extend(<[Socket; 2]>::from(Socket::pair(
        Domain::UNIX,
        Type::STREAM,
        None,
    )?));
    let counted = smcify.stats()?.since(&before);
    let count = |seen, selected| Count {
        seen,
        selected,
        left: seen - selected,
    };
    let family_of = |wanted| OTHERS.iter().filter(|o| o.1 == wanted).count() as u64;
    let (inet, inet6) = (family_of(libc::AF_INET), family_of(libc::AF_INET6));
    let expected = Stats {
        inet: count(8 + inet, 8),
        inet6: count(8 + inet6, 8),
        other: count(OTHERS.len() as u64 - inet - inet6, 0),
    };
    same("counted", expected, counted)
}

fn idle_stats(smcify: &Smcify) -> Result<()> {
    let before = smcify.stats()?;
    drop(open(libc::AF_INET, libc::SOCK_STREAM, 0)?);
    same("counted", before, smcify.stats()?)
}
