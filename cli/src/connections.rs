// SPDX-License-Identifier: GPL-2.0
//! `smcify ss`: SMC sockets, what carries them and why, whose they are.

use crate::failure::OrFail;
use crate::failure::Result;
use crate::names;
use crate::output::Shown;
use crate::output::coloured;
use crate::output::lines;
use crate::output::table;
use comfy_table::Cell;
use comfy_table::Color;
use procfs::process::FDTarget;
use procfs::process::all_processes;
use serde::Serialize;
use smc_netlink::diag;
use smc_netlink::diag::Carrier;
use smc_netlink::inet;
use smc_netlink::reason::Reason;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

/// All sockets that were asked for.
#[derive(Debug, Serialize)]
pub struct Connections {
    sockets: Vec<Socket>,
}

#[derive(Debug, Serialize)]
struct Socket {
    state: &'static str,
    /// smcd, smcr, tcp; nothing while that is open.
    carrier: Option<&'static str>,
    /// Why it is tcp.
    reason: Option<Why>,
    /// Nothing if the kernel does not tell.
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    local_port: u16,
    peer_port: u16,
    user: String,
    inode: u64,
    processes: Vec<Process>,
}

/// Why a connection is TCP.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    code: String,
    /// The kernel's name of it, if it has one.
    name: Option<&'static str>,
    words: String,
}

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        Self {
            code: format!("{:#010x}", reason.0),
            name: reason.name(),
            words: reason.words(),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{} ({name})", self.words),
            None => write!(f, "{}", self.words),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Process {
    pid: i32,
    program: String,
}

/// The sockets of the network namespace that this is called in.
pub fn list(all: bool) -> Result<Connections> {
    let found = diag::sockets().or_fail("list SMC sockets", "modprobe smc_diag");
    let mut found = found?;
    found.retain(|it| all || is_connected(it.state));
    let owners = match found.is_empty() {
        true => HashMap::new(),
        false => owners(),
    };
    let inner = inner_sockets(&found, &owners)?;
    let sockets = found.iter().map(|it| socket(it, &owners, &inner));
    Ok(Connections {
        sockets: sockets.collect(),
    })
}

/// The TCP sockets that no program has, such as those inside of SMC sockets; those inside of sockets
/// that smcify selected have the inodes of these.
fn inner_sockets(
    found: &[diag::Socket],
    owners: &HashMap<u64, Vec<Process>>,
) -> Result<Vec<inet::Socket>> {
    let mut inner = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let wanted = |it: &diag::Socket| {
            it.addresses.is_none() && [family, diag::AF_SMC].contains(&it.family)
        };
        if found.iter().any(wanted) {
            let all = inet::sockets(family).or_fail("list TCP sockets", "modprobe tcp_diag")?;
            let is_inner = |it: &inet::Socket| {
                let selected = found.iter().any(|smc| smc.inode == it.inode);
                it.inode != 0 && (selected || !owners.contains_key(&it.inode))
            };
            inner.extend(all.into_iter().filter(is_inner));
        }
    }
    Ok(inner)
}

fn socket(
    found: &diag::Socket,
    owners: &HashMap<u64, Vec<Process>>,
    inner: &[inet::Socket],
) -> Socket {
    let carrier = is_connected(found.state).then_some(found.carrier);
    let why = match (carrier, found.peer_reason) {
        (Some(Carrier::Fallback(code)), peer) => Some((Reason(code), peer)),
        _ => None,
    };
    let addresses = found.addresses.or_else(|| addresses(found, inner));
    Socket {
        state: state(found.state),
        carrier: carrier.map(|it| match it {
            Carrier::SmcD => "smcd",
            Carrier::SmcR => "smcr",
            Carrier::Tcp | Carrier::Fallback(_) => "tcp",
        }),
        reason: why.map(|(reason, peer)| {
            let mut why = Why::from(reason);
            if let Some(peer) = peer {
                why.words += &format!(": {}", peer.words());
            }
            why
        }),
        local: addresses.map(|it| it.0),
        peer: addresses.map(|it| it.1),
        local_port: found.ports.0,
        peer_port: found.ports.1,
        user: names::user(found.uid),
        inode: found.inode,
        processes: owners.get(&found.inode).cloned().unwrap_or_default(),
    }
}

/// The addresses of an `IPPROTO_SMC` socket, which SMC_DIAG does not tell: those of the TCP
/// socket inside, which has the same inode, or else these ports if only one has.
fn addresses(found: &diag::Socket, inner: &[inet::Socket]) -> Option<(SocketAddr, SocketAddr)> {
    let mut same = inner.iter().filter(|it| it.inode == found.inode);
    if let Some(own) = same.find(|_| found.inode != 0) {
        return Some((own.local, own.peer));
    }
    let is_of_family = |it: &inet::Socket| match found.family {
        libc::AF_INET => it.local.is_ipv4(),
        libc::AF_INET6 => it.local.is_ipv6(),
        // Of an accepted socket the kernel does not tell the family either.
        _ => true,
    };
    let has_ports = |it: &inet::Socket| (it.local.port(), it.peer.port()) == found.ports;
    let mut like = inner.iter().filter(|it| is_of_family(it) && has_ports(it));
    match (like.next(), like.next()) {
        (Some(one), None) if found.ports.0 != 0 => Some((one.local, one.peer)),
        _ => None,
    }
}

/// Who has which socket open, as far as we may see.
fn owners() -> HashMap<u64, Vec<Process>> {
    let mut owners: HashMap<u64, Vec<Process>> = HashMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let Ok(stat) = process.stat() else {
            continue;
        };
        let owner = Process {
            pid: stat.pid,
            program: stat.comm,
        };
        for fd in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = fd.target {
                let all = owners.entry(inode).or_default();
                if !all.contains(&owner) {
                    all.push(owner.clone());
                }
            }
        }
    }
    owners
}

/// Whether what carries it is settled.
pub fn is_connected(state: u8) -> bool {
    ![diag::INIT, diag::LISTEN, diag::CLOSED].contains(&state)
}

/// The kernel's states, in words.
fn state(state: u8) -> &'static str {
    match state {
        diag::ACTIVE => "active",
        diag::INIT => "init",
        diag::CLOSED => "closed",
        diag::LISTEN => "listen",
        20..=25 => "closing",
        26 | 27 => "aborting",
        _ => "unknown",
    }
}

impl Shown for Connections {
    fn text(&self) -> String {
        if self.sockets.is_empty() {
            return "no SMC connections in this network namespace\n".into();
        }
        let mut table = table(&["CARRIER", "STATE", "LOCAL", "PEER", "PROGRAM", "WHY"]);
        for it in &self.sockets {
            let (name, colour) = match it.carrier {
                Some("smcd") => ("SMC-D", Color::Green),
                Some("smcr") => ("SMC-R", Color::Green),
                Some(_) => ("TCP", Color::Yellow),
                None => ("-", Color::Reset),
            };
            let programs = it.processes.iter();
            let programs: Vec<_> = programs
                .map(|it| format!("{}/{}", it.program, it.pid))
                .collect();
            table.add_row([
                coloured(name, colour),
                Cell::new(it.state),
                Cell::new(end(it.local, it.local_port)),
                Cell::new(end(it.peer, it.peer_port)),
                Cell::new(match programs.is_empty() {
                    true => format!("({})", it.user),
                    false => programs.join(", "),
                }),
                Cell::new(it.reason.as_ref().map_or(String::new(), Why::to_string)),
            ]);
        }
        lines(&table)
    }
}

/// An end of a connection, of which perhaps only the port is known.
fn end(address: Option<SocketAddr>, port: u16) -> String {
    match (address, port) {
        (_, 0) => "-".into(),
        (Some(address), _) => address.to_string(),
        (None, port) => format!("?:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(carrier: Carrier, ports: (u16, u16)) -> diag::Socket {
        diag::Socket {
            family: libc::AF_INET,
            state: diag::ACTIVE,
            carrier,
            peer_reason: None,
            ports,
            addresses: None,
            uid: 0,
            inode: 77,
        }
    }

    fn inner(local: &str, peer: &str) -> inet::Socket {
        inet::Socket {
            local: local.parse().expect("an address"),
            peer: peer.parse().expect("an address"),
            inode: 1,
        }
    }

    #[test]
    fn addresses_are_told_only_when_they_are_certain() {
        let one = inner("127.0.0.1:80", "127.0.0.1:33000");
        let back = inner("127.0.0.1:33000", "127.0.0.1:80");
        let other = inner("127.0.0.2:80", "127.0.0.9:33000");
        let v6 = inner("[::1]:80", "[::1]:33000");
        let socket = found(Carrier::SmcD, (80, 33000));
        let told = addresses(&socket, &[back.clone(), v6.clone(), one.clone()]);
        assert_eq!(told, Some((one.local, one.peer)));
        assert_eq!(addresses(&socket, &[one.clone(), other.clone()]), None);
        let mut own = other;
        own.inode = socket.inode;
        let told = addresses(&socket, &[one.clone(), own.clone()]);
        assert_eq!(told, Some((own.local, own.peer)));
        let mut accepted = socket.clone();
        accepted.family = diag::AF_SMC;
        assert_eq!(
            addresses(&accepted, std::slice::from_ref(&v6)),
            Some((v6.local, v6.peer))
        );
        assert_eq!(addresses(&accepted, &[v6, one]), None);
        assert_eq!(addresses(&socket, &[back]), None);
        assert_eq!(end(None, 80), "?:80");
        assert_eq!(end(None, 0), "-");
    }

    #[test]
    fn a_fallback_says_why_and_what_the_peer_said() {
        let mut tcp = found(Carrier::Fallback(0x0500_0000), (80, 33000));
        tcp.peer_reason = Some(Reason(0x0303_0008));
        let shown = socket(&tcp, &HashMap::new(), &[]);
        let why = shown.reason.expect("a reason");
        assert_eq!(why.name, Some("PEERDECL"));
        assert_eq!(
            why.words,
            "the peer declined: no user EID that both sides have"
        );
        let smc = socket(&found(Carrier::SmcD, (80, 33000)), &HashMap::new(), &[]);
        assert_eq!((smc.carrier, smc.reason), (Some("smcd"), None));
    }

    #[test]
    fn a_listener_has_no_carrier() {
        let mut listener = found(Carrier::SmcR, (80, 0));
        listener.state = diag::LISTEN;
        let process = Process {
            pid: 4,
            program: "nginx".into(),
        };
        let owners = HashMap::from([(77, vec![process])]);
        let shown = socket(&listener, &owners, &[]);
        let json = serde_json::to_value(shown).expect("JSON");
        assert_eq!(json["carrier"], serde_json::Value::Null);
        assert_eq!(json["state"], "listen");
        assert_eq!(json["processes"][0]["program"], "nginx");
    }
}
