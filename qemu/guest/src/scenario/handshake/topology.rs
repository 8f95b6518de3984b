// SPDX-License-Identifier: GPL-2.0
//! The three links of the kernel's own test of hs_ctrl, `test_bpf_smc.c`: a client and a server
//! with two services, of which one uses the other, and a server by a path without SMC. There a
//! BPF program keeps two pairs of addresses from SMC; here two rules do. It counts, at the
//! client's end, the SMC sockets that are released, and calls of `smc_switch_to_fallback()`.
//! A client releases one SMC socket if it was made as one, and calls the other once if its
//! connection fell back: what it is, and what SMC_DIAG says of it, are counted here.

use super::hosts::listen;
use crate::diag;
use crate::diag::Carrier;
use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::data::fallback::PEER_NO_SMC;
use crate::scenario::same;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use nix::sys::stat::fstat;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 0);
const RISKY: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 0);

/// The links in the order of that test: source, destination, port.
const LINKS: [(Ipv4Addr, Ipv4Addr, u16); 4] = [
    (CLIENT, SERVER, 80),
    (SERVER, SERVER, 443),
    (CLIENT, SERVER, 443),
    (CLIENT, RISKY, 8443),
];
/// The pairs that are kept from SMC.
const RULES: [&str; 2] = [
    "src:127.0.1.0:32,dst:127.0.1.0:32",
    "src:127.0.0.1:32,dst:127.0.2.0:32",
];

/// Clients so far that were SMC sockets, and those of them that fell back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    smc: u32,
    fallback: u32,
}

impl Counts {
    const fn new(smc: u32, fallback: u32) -> Self {
        Self { smc, fallback }
    }
}

/// With the rules, and without them.
pub fn run(report: &mut Report, smcify: &Smcify) -> Result<()> {
    let netns = Netns::new()?;
    netns.run(|| {
        net::up("lo")?;
        net::add_address("lo", SERVER.into(), 32)?;
        net::add_address("lo", RISKY.into(), 32)
    })?;
    smcify.set_default("smc")?;
    let none = [1, 2, 3, 4].map(|smc| Counts::new(smc, 0));
    report.check(
        "no rules: 4 SMC sockets",
        netns.run(|| same("counts", none, links()?)),
    );
    let rules = RULES.iter().map(|name| Rule::add(name));
    let rules = rules.collect::<Result<Vec<_>>>()?;
    let some = [(1, 0), (2, 1), (3, 1), (4, 2)].map(|(smc, fallback)| Counts::new(smc, fallback));
    report.check(
        "two rules: 4 SMC sockets, 2 of them fall back",
        netns.run(|| same("counts", some, links()?)),
    );
    for rule in rules {
        report.check("each rule has decided once", same("hits", 1, rule.hits()?));
    }
    smcify.set_default("tcp")
}

/// The counts after each link.
fn links() -> Result<[Counts; LINKS.len()]> {
    let mut counts = Counts::default();
    let mut all = [counts; LINKS.len()];
    for ((src, dst, port), place) in LINKS.into_iter().zip(&mut all) {
        let carrier = link(src, dst, port)
            .with_context(|| format!("the link from {src} to {dst}, port {port}"))?;
        counts.smc += u32::from(carrier != Carrier::Tcp);
        counts.fallback += u32::from(carrier == PEER_NO_SMC);
        *place = counts;
    }
    Ok(all)
}

/// What becomes of a client that asks for TCP.
fn link(src: Ipv4Addr, dst: Ipv4Addr, port: u16) -> Result<Carrier> {
    let _listener = listen(dst.into(), port)?;
    let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    client.bind(&SocketAddr::from((src, 0)).into())?;
    if client.protocol()?.map(i32::from) != Some(IPPROTO_SMC) {
        return Ok(Carrier::Tcp);
    }
    client.connect(&SocketAddr::from((dst, port)).into())?;
    let found = diag::socket(fstat(&client)?.st_ino)?;
    Ok(found.context("SMC_DIAG does not know the client")?.carrier)
}
