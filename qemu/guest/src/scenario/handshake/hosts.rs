// SPDX-License-Identifier: GPL-2.0
//! Two hosts, which are network namespaces, and rules that hold on both, or on one of them
//! since the other has no hs_ctrl.

use super::tap::Options;
use super::tap::Tap;
use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::creation::switch::protocol;
use crate::scenario::handshake::hs_ctrl;
use crate::scenario::same;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

/// The devices, of which each host has one, and the port that is listened to.
pub const DEVICE: &str = "hs0";
pub const PEER: &str = "hs1";
pub const PORT: u16 = 443;
/// The addresses of the host that connects, and of the one that listens.
pub const SRC: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
pub const DST: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 2);
pub const SRC6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 1);
pub const DST6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 2);

/// The host that connects, and the one that listens.
pub struct Hosts {
    pub client: Netns,
    pub server: Netns,
}

impl Hosts {
    /// Makes them, with a wire between them.
    pub fn new() -> Result<Self> {
        let hosts = Self {
            client: Netns::new()?,
            server: Netns::new()?,
        };
        hosts.wire()?;
        Ok(hosts)
    }

    /// Puts a wire between them, which has none.
    pub fn wire(&self) -> Result<()> {
        self.client.run(|| {
            net::add_veth(DEVICE, PEER, &self.server)?;
            end(DEVICE, SRC, SRC6)
        })?;
        self.server.run(|| end(PEER, DST, DST6))
    }

    /// Connects once, and says which segments had the option and what the two ends have
    /// become.
    fn connect(&self, to: IpAddr, at: IpAddr) -> Result<(Options, [i32; 2])> {
        let listener = self.server.run(|| listen(at, PORT))?;
        let (client, options) = self.client.run(|| {
            let tap = Tap::new()?;
            let client = connect(to, PORT)?;
            Ok((client, tap.options(PORT)?))
        })?;
        let (server, _) = listener.accept().context("accept")?;
        Ok((options, [protocol(&client)?, protocol(&server)?]))
    }
}

/// Sets one end up, usable at once.
pub fn end(device: &str, address: Ipv4Addr, address6: Ipv6Addr) -> Result<()> {
    net::without_detection(device)?;
    net::up(device)?;
    net::add_address(device, address.into(), 24)?;
    net::add_address(device, address6.into(), 64)
}

/// An SMC socket that listens in this thread's namespace.
pub fn listen(at: IpAddr, port: u16) -> Result<Socket> {
    let at = SocketAddr::new(at, port);
    let socket = Socket::new(
        Domain::for_address(at),
        Type::STREAM,
        Some(IPPROTO_SMC.into()),
    )?;
    socket.set_reuse_address(true)?;
    socket
        .bind(&at.into())
        .with_context(|| format!("bind to {at}"))?;
    socket.listen(16)?;
    Ok(socket)
}

/// An SMC socket that has connected in this thread's namespace.
fn connect(to: IpAddr, port: u16) -> Result<Socket> {
    let to = SocketAddr::new(to, port);
    let socket = Socket::new(
        Domain::for_address(to),
        Type::STREAM,
        Some(IPPROTO_SMC.into()),
    )?;
    socket
        .connect(&to.into())
        .with_context(|| format!("connect to {to}"))?;
    Ok(socket)
}

/// Who has smcify's hs_ctrl.
#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Both,
    Connecting,
    Listening,
}

/// What is left out, and so by whom.
const NOTHING: Options = Options {
    syn: true,
    syn_ack: true,
};
const OF_SYN: Options = Options {
    syn: false,
    syn_ack: false,
};
const OF_SYN_ACK: Options = Options {
    syn: true,
    syn_ack: false,
};

/// Rules in the families of addresses that they are for, hosts that have them, what comes of
/// it, and how often the first rule decides.
type Case = (&'static [&'static str], &'static [Family], On, Options, u64);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Family {
    V4,
    V6,
    /// An IPv6 socket, and an IPv4-mapped address.
    Mapped,
}
use Family::Mapped;
use Family::V4;
use Family::V6;

const ALL: &[Family] = &[V4, V6, Mapped];
const FOURS: &[Family] = &[V4, Mapped];
const SIX: &[Family] = &[V6];

const CASES: &[Case] = &[
    (&["port:443"], ALL, On::Both, OF_SYN, 1),
    (&["port:443"], ALL, On::Connecting, OF_SYN, 1),
    (&["port:443"], ALL, On::Listening, OF_SYN_ACK, 1),
    (&["port:444"], ALL, On::Both, NOTHING, 0),
    (&["dst:10.96.0.2:32"], FOURS, On::Connecting, OF_SYN, 1),
    (&["dst:10.96.0.2:32"], FOURS, On::Listening, OF_SYN_ACK, 1),
    (&["dst:10.96.0.1:32"], FOURS, On::Both, NOTHING, 0),
    (&["src:10.96.0.1:32"], FOURS, On::Connecting, OF_SYN, 1),
    (&["src:10.96.0.1:32"], FOURS, On::Listening, OF_SYN_ACK, 1),
    (&["src:10.96.0.2:32"], FOURS, On::Both, NOTHING, 0),
    (&["dst:10.96.0.0:24"], SIX, On::Both, NOTHING, 0),
    (&["dst:[fd00:96::2]:128"], SIX, On::Connecting, OF_SYN, 1),
    (&["dst:[fd00:96::]:64"], SIX, On::Listening, OF_SYN_ACK, 1),
    (&["dst:[fd00:96::1]:128"], SIX, On::Both, NOTHING, 0),
    (&["src:[fd00:96::1]:128"], SIX, On::Both, OF_SYN, 1),
    (&["dst:[fd00:96::]:64"], FOURS, On::Both, NOTHING, 0),
    (&["dev:hs0"], ALL, On::Both, OF_SYN, 1),
    (&["dev:hs0"], ALL, On::Listening, NOTHING, 0),
    (&["dev:hs1"], ALL, On::Both, OF_SYN_ACK, 1),
    (&["dev:hs1"], ALL, On::Connecting, NOTHING, 0),
    (&["dev:hs"], ALL, On::Both, NOTHING, 0),
    (
        &["src:10.96.0.1:32,dst:10.96.0.0:24,port:443,dev:hs1"],
        FOURS,
        On::Both,
        OF_SYN_ACK,
        1,
    ),
    (
        &["src:10.96.0.1:32,dst:10.96.0.0:24,port:80,dev:hs1"],
        FOURS,
        On::Both,
        NOTHING,
        0,
    ),
    // The second one says smc, of SYN and SYN-ACK alike.
    (
        &["dst:10.96.0.0:24", "dst:10.96.0.2:32"],
        FOURS,
        On::Both,
        NOTHING,
        0,
    ),
    (
        &["dst:10.96.0.2:32", "dst:10.96.0.0:24"],
        FOURS,
        On::Both,
        OF_SYN,
        1,
    ),
];

/// Each rule on each host.
pub fn run(report: &mut Report) -> Result<()> {
    let hosts = Hosts::new()?;
    let (without, became) = hosts.connect(DST.into(), DST.into())?;
    report.check(
        "no rule: both have the option",
        same("option", NOTHING, without),
    );
    report.note(format!("without a rule the two ends become {became:?}"));
    for case in CASES {
        let (rules, families, on, _, _) = case;
        for family in *families {
            let name = format!("{}, {family:?}, on {on:?}", rules.join(" and "));
            report.check(name, holds(&hosts, case, *family));
        }
    }
    Ok(())
}

fn holds(hosts: &Hosts, case: &Case, family: Family) -> Result<()> {
    let (names, _, on, expected, hits) = *case;
    let mut rules = Vec::new();
    for (name, action) in names.iter().zip(["tcp", "smc"]) {
        rules.push(Rule::saying(action, name)?);
    }
    let without = match on {
        On::Both => None,
        On::Connecting => Some(&hosts.server),
        On::Listening => Some(&hosts.client),
    };
    without.map_or(Ok(()), |host| host.run(hs_ctrl::clear))?;
    let (to, at): (IpAddr, IpAddr) = match family {
        V4 => (DST.into(), DST.into()),
        V6 => (DST6.into(), DST6.into()),
        Mapped => (DST.to_ipv6_mapped().into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    let (found, became) = hosts.connect(to, at)?;
    same("the option", expected, found)?;
    if found != NOTHING {
        same("the two ends", [IPPROTO_TCP; 2], became)?;
    }
    let decided = rules.first().map_or(Ok(0), Rule::hits)?;
    same("hits", hits, decided)
}
