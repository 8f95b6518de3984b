// SPDX-License-Identifier: GPL-2.0
//! Many connections between two guests: a thousand at once, and thousands one after the other.
//! Before and after, the kernel has the same sockets and about the same slabs, and link groups
//! without connections, which go with their device.

use super::MOST_LOST;
use super::is_unconfirmed;
use super::lack::Lack;
use super::link_group;
use super::rdma_is_ready;
use crate::diag::Carrier;
use crate::diag::carriers_of;
use crate::kernel::net::address;
use crate::kernel::task::joined;
use crate::kernel::until::until;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::loading::rmmod::is_smc;
use crate::scenario::loading::rmmod::sockets;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::setrlimit;
use smc_netlink::smc::fallbacks;
use smc_netlink::smc::smcr_link_groups;
use smc_netlink::smc::stats;
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread::scope;
use std::time::Instant;

const SERVER: u8 = 1;
/// At once, and one after the other in each of the threads.
const AT_ONCE: usize = 1000;
const THREADS: usize = 4;
const EACH: usize = 1250;
/// What each connection carries each way.
const BYTES: usize = 1 << 10;
/// Enough descriptors: the most that the kernel gives without being asked for more.
const FILES: u64 = 4096;
/// So many objects more of a slab are no leak: what processors keep, and other tasks' own.
const SLACK: u64 = 500;
/// Slabs that connections are made of. Those of TCP's TIME_WAIT take a minute to go.
const SLABS: [&str; 4] = ["INET_SMC", "SMC", "TCP", "sock_inode_cache"];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-many", |peer| {
        let limit = Rlimit {
            current: Some(FILES),
            maximum: Some(FILES),
        };
        setrlimit(Resource::Nofile, limit).context("RLIMIT_NOFILE")?;
        let smcify = Smcify::load()?;
        rdma_is_ready(peer)?;
        // Of the first connection some things stay, whatever comes after.
        link_group(report, peer, &smcify, SERVER, address(SERVER, false))?;
        until("the end of the first connection", || {
            idle().map(|it| it == 0)
        })?;
        let (sockets_before, slabs_before) = (sockets()?, slabs()?);
        let before = (fallbacks()?, stats()?);

        let begun = Instant::now();
        let (held, lost) = at_once(peer, AT_ONCE)?;
        report.note(format!(
            "{AT_ONCE} at once: {:.1} s, {lost} more fell back",
            begun.elapsed().as_secs_f32()
        ));
        report.check(format!("{AT_ONCE} connections at once"), held);

        let begun = Instant::now();
        peer.meet("none is left")?;
        one_after_the_other(peer)?;
        let number = THREADS * EACH;
        report.note(format!(
            "{number} after another: {:.1} s",
            begun.elapsed().as_secs_f32()
        ));
        let after = (fallbacks()?, stats()?);
        let count = |it: &(_, smc_netlink::smc::Stats)| it.1.smcr.client + it.1.smcr.server;
        let made = (count(&after) - count(&before)) as usize;
        report.check(
            "all were SMC-R",
            same("connections", AT_ONCE + number, made),
        );
        let fell_back = after.0.client + after.0.server - before.0.client - before.0.server;
        report.check("no other fell back", same("fallbacks", lost, fell_back));

        let settled = until(
            "the end of the sockets",
            || Ok(sockets()? == sockets_before),
        );
        report.check("no socket is left", settled);
        report.check(
            "no connection is left",
            until("its end", || Ok(idle()? == 0)),
        );
        report.check("the slabs are what they were", not_more(&slabs_before));
        let groups = smcr_link_groups()?.len();
        report.note(format!(
            "{groups} link groups are left, without connections"
        ));
        peer.meet("the end of the link groups")?;
        Lack::Rdma.take()?;
        let gone = until("the end of the link groups", || {
            Ok(smcr_link_groups()?.is_empty())
        });
        report.check("link groups go with their device", gone);
        Lack::Rdma.give_back(peer)
    })
}

/// How many connections the link groups have.
fn idle() -> Result<u64> {
    Ok(smcr_link_groups()?.iter().map(|it| it.connections).sum())
}

/// Holds `number` connections at once; says whether all of them were SMC-R's, and how many more
/// fell back. A link group has room for 255, and the first of each may fall back: see
/// [`link_group`].
fn at_once(peer: &Peer, number: usize) -> Result<(Result<()>, u64)> {
    let (mut held, mut lost) = (Vec::new(), Vec::new());
    let mut next: Box<dyn FnMut(usize) -> Result<TcpStream>> = if peer.node() == SERVER {
        let listener = listen(peer)?;
        Box::new(move |_| {
            let (mut stream, _) = listener.accept()?;
            answer(&mut stream)?;
            Ok(stream)
        })
    } else {
        let at: SocketAddr = peer.hear()?;
        Box::new(move |one| {
            let mut stream = TcpStream::connect(at).with_context(|| format!("the {one}."))?;
            ask(&mut stream, one as u8)?;
            Ok(stream)
        })
    };
    while held.len() < number {
        let one = held.len();
        let stream = next(one)?;
        match is_smc(&stream)? {
            true => held.push(stream),
            false => lost.push(stream),
        }
        ensure!(lost.len() <= MOST_LOST, "the {one}. is not SMC");
    }
    let mut carriers = carriers_of(std::process::id())?;
    let connections = idle()?;
    peer.meet("all are held")?;
    carriers.remove(&Carrier::SmcR);
    if !lost.is_empty() {
        is_unconfirmed(peer, SERVER, carriers)?;
    }
    let all = same("connections", number as u64, connections);
    Ok((all, lost.len() as u64))
}

/// Opens and closes connections, in some threads.
fn one_after_the_other(peer: &Peer) -> Result<()> {
    if peer.node() == SERVER {
        let listener = &listen(peer)?;
        return threads(|_| {
            for _ in 0..EACH {
                answer(&mut listener.accept()?.0)?;
            }
            Ok(())
        });
    }
    let at: SocketAddr = peer.hear()?;
    threads(|thread| {
        for one in 0..EACH {
            let mut stream = TcpStream::connect(at).with_context(|| format!("the {one}."))?;
            ask(&mut stream, (thread + one) as u8)?;
        }
        Ok(())
    })
}

fn threads(run: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let run = &run;
    scope(|threads| {
        let all: Vec<_> = (0..THREADS)
            .map(|thread| threads.spawn(move || run(thread)))
            .collect();
        all.into_iter().map(joined).collect::<Result<Vec<_>>>()
    })?;
    Ok(())
}

fn listen(peer: &Peer) -> Result<TcpListener> {
    let listener = TcpListener::bind((address(SERVER, false), 0))?;
    peer.tell(&listener.local_addr()?)?;
    Ok(listener)
}

/// The client's part of a connection: `fill` makes its bytes differ from others'.
fn ask(stream: &mut TcpStream, fill: u8) -> Result<()> {
    let pattern: Vec<u8> = (0..BYTES)
        .map(|i| (i as u8).wrapping_mul(31) ^ fill)
        .collect();
    stream.write_all(&pattern).context("write")?;
    let mut heard = vec![0; BYTES];
    stream.read_exact(&mut heard).context("read")?;
    ensure!(heard == pattern, "wrong bytes");
    Ok(())
}

/// The server's part.
fn answer(stream: &mut TcpStream) -> Result<()> {
    let mut heard = vec![0; BYTES];
    stream.read_exact(&mut heard).context("read")?;
    stream.write_all(&heard).context("write")
}

/// How many objects of each of the slabs are in use.
fn slabs() -> Result<BTreeMap<String, u64>> {
    const PATH: &str = "/proc/slabinfo";
    let text = read_to_string(PATH).context(PATH)?;
    let mut slabs = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| SLABS.contains(name));
        if let (Some(name), Some(active)) = (name, words.next()) {
            slabs.insert(name.to_owned(), active.parse()?);
        }
    }
    ensure!(slabs.contains_key("TCP"), "{PATH}: no TCP");
    Ok(slabs)
}

/// Waits until no slab has many more objects than before.
fn not_more(before: &BTreeMap<String, u64>) -> Result<()> {
    let mut now = BTreeMap::new();
    let settled = until("the end of the objects", || {
        now = slabs()?;
        let less = |(name, count): (&String, &u64)| {
            *count <= before.get(name).copied().unwrap_or_default() + SLACK
        };
        Ok(now.iter().all(less))
    });
    settled.with_context(|| format!("before {before:?}, now {now:?}"))
}
