// SPDX-License-Identifier: GPL-2.0
//! Loading and unloading under load: threads make, use and close connections without
//! pause while the module comes and goes. Leaks are looked for when the guest ends: it has
//! no other scenario.
//!
//! The way from one end of a connection to the other takes as long as between continents, so
//! that the threads are always inside their calls, and wait there. Over a bare loopback device
//! they would not wait: insmod and rmmod would, for a processor.

use crate::kernel::net;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::data::transfer::LOOPBACKS;
use crate::scenario::same;
use crate::smcify;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::SockRef;
use socket2::Socket;
use socket2::Type;
use std::fs::read_to_string;
use std::fs::write;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const THREADS: usize = 8;
/// What each connection carries each way.
const BYTES: usize = 4 << 10;
/// How long the way is.
const DELAY: Duration = Duration::from_millis(220);
/// 1: RCU's grace periods interrupt every CPU instead of waiting for it.
pub const EXPEDITED: &str = "/sys/kernel/rcu_expedited";
/// How long the last sockets may take to go.
const SETTLE: Duration = Duration::from_secs(15);

/// What the threads have done.
#[derive(Default)]
struct Work {
    stop: AtomicBool,
    /// Connections with both ends selected, begun.
    selected: AtomicU64,
    /// Connections ended, and those of them that SMC carried.
    connections: AtomicU64,
    carried: AtomicU64,
}

/// The scenario.
pub fn run(report: &mut Report, rounds: usize) -> Result<()> {
    let before = sockets()?;
    net::delay("lo", DELAY)?;
    write(EXPEDITED, "1").with_context(|| EXPEDITED)?;
    let work = Work::default();
    let begun = Instant::now();
    let (went, threads) = scope(|threads| {
        let working: Vec<_> = (0..THREADS)
            .map(|number| {
                threads.spawn({
                    let work = &work;
                    move || keep_on(number, work)
                })
            })
            .collect();
        let went = come_and_go(&work, rounds);
        work.stop.store(true, Relaxed);
        let ends = working.into_iter().map(joined);
        (went, ends.collect::<Result<Vec<()>>>())
    });
    write(EXPEDITED, "0")?;
    let (connections, carried) = (work.connections.load(Relaxed), work.carried.load(Relaxed));
    let seconds = begun.elapsed().as_secs_f32();
    report.note(format!(
        "{rounds} rounds in {seconds:.0} s, {connections} connections, {carried} over SMC"
    ));
    report.check(format!("{rounds} rounds of insmod and rmmod"), went);
    report.check(
        format!("{THREADS} threads, no byte lost"),
        threads.map(drop),
    );
    report.check(
        "both kinds of sockets met the module",
        mixed(connections, carried, rounds as u64),
    );
    report.check("nothing is left", smcify::nothing_left());
    report.check("no socket is left", settled(&before));
    Ok(())
}

fn come_and_go(work: &Work, rounds: usize) -> Result<()> {
    for round in 0..rounds {
        let here = || format!("round {round}");
        let smcify = Smcify::load().with_context(here)?;
        let (then, begun) = (work.selected.load(Relaxed), Instant::now());
        smcify.set_default("smc").with_context(here)?;
        // Long enough for a connection, and no longer: it goes on while the module goes.
        while work.selected.load(Relaxed) == then && begun.elapsed() < Duration::from_secs(1) {
            sleep(Duration::from_millis(1));
        }
        smcify.unload().with_context(here)?;
    }
    Ok(())
}

/// Makes connections until told to stop.
fn keep_on(number: usize, work: &Work) -> Result<()> {
    let ip = LOOPBACKS[number % LOOPBACKS.len()];
    let mut connection = 0_u64;
    while !work.stop.load(Relaxed) {
        let fill = (number as u8) ^ (connection as u8);
        connect(ip, fill, work)
            .with_context(|| format!("thread {number}, connection {connection}"))
            .inspect_err(|e| eprintln!("{e:#}"))?;
        connection += 1;
    }
    Ok(())
}

/// One connection from its first socket to its last.
fn connect(ip: IpAddr, fill: u8, work: &Work) -> Result<()> {
    let listener = TcpListener::bind((ip, 0)).context("bind")?;
    let domain = Domain::for_address(listener.local_addr()?);
    let client = Socket::new(domain, Type::STREAM, None).context("socket")?;
    let selected = is_smc(&listener)? && is_smc(&client)?;
    work.selected.fetch_add(selected.into(), Relaxed);
    client
        .connect(&listener.local_addr()?.into())
        .context("connect")?;
    let client = TcpStream::from(client);
    let (server, _) = listener.accept().context("accept")?;
    let carried = is_smc(&client)?;
    let pattern: Vec<u8> = (0..BYTES)
        .map(|i| (i as u8).wrapping_mul(31) ^ fill)
        .collect();
    let mut heard = vec![0; BYTES];
    for (mut from, mut to) in [(&client, &server), (&server, &client)] {
        from.write_all(&pattern).context("write")?;
        to.read_exact(&mut heard).context("read")?;
        ensure!(heard == pattern, "wrong bytes");
        from.shutdown(Shutdown::Write).context("shutdown")?;
        ensure!(to.read(&mut [0]).context("read")? == 0, "more bytes");
    }
    work.connections.fetch_add(1, Relaxed);
    work.carried.fetch_add(carried.into(), Relaxed);
    Ok(())
}

/// Whether a socket was selected; once it is connected: whether SMC carries it.
pub fn is_smc(socket: &impl AsFd) -> Result<bool> {
    let protocol = SockRef::from(socket).protocol()?;
    Ok(protocol.map(i32::from) == Some(IPPROTO_SMC))
}

/// Enough of both kinds: every round waits for a connection that SMC may carry.
fn mixed(connections: u64, carried: u64, rounds: u64) -> Result<()> {
    ensure!(carried >= rounds, "SMC carried only {carried} connections");
    ensure!(carried < connections, "SMC carried every connection");
    Ok(())
}

/// How many sockets of SMC's protocols the kernel has.
pub fn sockets() -> Result<Vec<(String, i64)>> {
    let text = read_to_string("/proc/net/protocols")?;
    let mut sockets = Vec::new();
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, _, count, ..] = words[..] else {
            continue;
        };
        if name.contains("SMC") {
            sockets.push((name.to_owned(), count.parse()?));
        }
    }
    ensure!(!sockets.is_empty(), "/proc/net/protocols has no SMC");
    Ok(sockets)
}

fn settled(before: &[(String, i64)]) -> Result<()> {
    let begun = Instant::now();
    loop {
        let now = sockets()?;
        if now == before || begun.elapsed() > SETTLE {
            return same("SMC sockets in /proc/net/protocols", before, &now[..]);
        }
        sleep(Duration::from_millis(100));
    }
}
