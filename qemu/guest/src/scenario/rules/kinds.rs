// SPDX-License-Identifier: GPL-2.0
//! One rule of each kind, and what becomes of programs that it covers: static and dynamic
//! ones, by system call and by io_uring, to oneself and to another network namespace.

use crate::diag::Carrier;
use crate::kernel::cgroup::Cgroup;
use crate::kernel::netns;
use crate::kernel::netns::Netns;
use crate::program::iperf;
use crate::program::pair::Went;
use crate::program::pair::transfer;
use crate::scenario::Report;
use crate::scenario::data::transfer::LOOPBACKS;
use crate::scenario::handshake::hosts::DST;
use crate::scenario::handshake::hosts::DST6;
use crate::scenario::handshake::hosts::Hosts;
use crate::scenario::loading::rmmod::is_smc;
use crate::scenario::same;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::fs::read_to_string;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::TcpListener;
use std::net::TcpStream;

const BYTES: u64 = 64 << 10;
/// Long enough for iperf3 to be seen at it.
const IPERF_BYTES: u64 = 4 << 20;

/// Runs a program over an address.
type Program = (&'static str, fn(IpAddr) -> Result<Went>);

/// Every way for a program to make a socket.
const PROGRAMS: [Program; 4] = [
    ("blocking", |ip| transfer("blocking", ip, BYTES)),
    ("epoll", |ip| transfer("epoll", ip, BYTES)),
    ("io_uring", |ip| transfer("io_uring", ip, BYTES)),
    ("iperf3", |ip| iperf::run(ip, IPERF_BYTES)),
];

pub fn run(report: &mut Report) -> Result<()> {
    let cgroup = Cgroup::new("rules")?;
    let inner = cgroup.below("inner")?;
    let comm = read_to_string("/proc/self/comm")?;
    let names = [
        ("cgroup", format!("cgroup:{}", cgroup.id()?)),
        ("uid", "uid:0".to_owned()),
        ("netns", format!("netns:{}", netns::cookie()?)),
        ("comm", format!("comm:{}", comm.trim_end())),
    ];
    // It covers nobody: while any rule says `smc`, those that say `tcp` are asked too.
    let _smc = Rule::add("comm:nobody")?;
    // Two levels down: a rule covers the subtree.
    inner.with(|| {
        for (kind, name) in names.iter().filter(|(kind, _)| *kind != "comm") {
            report.part(kind, |report| covered(report, name, &PROGRAMS));
        }
        let (iperf, transfers) = PROGRAMS.split_last().context("programs")?;
        report.part("comm", |report| {
            covered(report, "comm:transfer", transfers)?;
            covered(report, "comm:iperf3", &[*iperf])
        });
        report.part("by a veth pair", |report| {
            between_namespaces(report, &names)
        });
        Ok(())
    })
}

/// Programs under the rule `name`, which says `smc` and then `tcp`.
fn covered(report: &mut Report, name: &str, programs: &[Program]) -> Result<()> {
    let rule = Rule::add(name)?;
    let (first, _) = programs.split_first().context("programs")?;
    let turns = programs.iter().zip(LOOPBACKS.iter().cycle());
    for ((program, run), ip) in turns {
        let went = decided(&rule, 2, || run(*ip)?.carried(Carrier::SmcD, Carrier::SmcD));
        report.check(format!("{program} over {ip}"), went);
    }
    rule.set("tcp")?;
    let (program, run) = first;
    for ip in LOOPBACKS {
        let went = decided(&rule, 2, || run(ip)?.carried(Carrier::Tcp, Carrier::Tcp));
        report.check(format!("action=tcp: {program} over {ip}"), went);
    }
    Ok(())
}

/// Fails if `run` does, or if `rule` did not decide on at least `sockets` meanwhile.
fn decided(rule: &Rule, sockets: u64, run: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = rule.hits()?;
    run()?;
    let hits = rule.hits()? - before;
    ensure!(hits >= sockets, "the rule decided on {hits} sockets");
    Ok(())
}

/// A client in one namespace, a server in the other, and rules for either, or both; of the
/// other kinds, too.
fn between_namespaces(report: &mut Report, names: &[(&str, String)]) -> Result<()> {
    let Hosts { client, server } = Hosts::new()?;
    let cookies = [client.run(netns::cookie)?, server.run(netns::cookie)?];
    let rule = |side: usize| Rule::add(&format!("netns:{}", cookies[side]));
    for there in [DST.into(), DST6.into()] {
        let sides = |expected: [bool; 3]| {
            let found = connection(&client, &server, there)?;
            same("SMC chosen by server, by client; carried", expected, found)
        };
        report.check(format!("{there}: no rule"), sides([false; 3]));
        let of_client = rule(0)?;
        report.check(
            format!("{there}: a rule for the client"),
            sides([false, true, false]),
        );
        let of_server = rule(1)?;
        report.check(format!("{there}: a rule for both"), sides([true; 3]));
        drop(of_client);
        report.check(
            format!("{there}: a rule for the server"),
            sides([true, false, false]),
        );
        drop(of_server);
        for (kind, name) in names.iter().filter(|(kind, _)| *kind != "netns") {
            let _rule = Rule::add(name)?;
            report.check(format!("{there}: by {kind}"), sides([true; 3]));
        }
    }
    Ok(())
}

/// Whether the server's socket and the client's are SMC's from the beginning, and whether
/// SMC carries their connection.
fn connection(client: &Netns, server: &Netns, ip: IpAddr) -> Result<[bool; 3]> {
    let listener = server.run(|| TcpListener::bind((ip, 0)).context("bind"))?;
    let chosen = is_smc(&listener)?;
    let at = listener.local_addr()?;
    let stream = client.run(|| Ok(Socket::new(Domain::for_address(at), Type::STREAM, None)?))?;
    let asked = is_smc(&stream)?;
    stream.connect(&at.into()).context("connect")?;
    let mut stream = TcpStream::from(stream);
    let (mut accepted, _) = listener.accept().context("accept")?;
    let mut heard = [0; 4];
    stream.write_all(b"ping")?;
    accepted.read_exact(&mut heard)?;
    ensure!(&heard == b"ping", "heard {heard:?}");
    let carried = is_smc(&stream)?;
    same("the server's view", carried, is_smc(&accepted)?)?;
    Ok([chosen, asked, carried])
}
