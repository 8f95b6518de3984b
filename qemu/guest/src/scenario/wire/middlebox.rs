// SPDX-License-Identifier: GPL-2.0
//! A host behind a box that replays TCP options which it does not know: what comes in a SYN
//! goes back with the SYN-ACK, as some middleboxes and some embedded TCPs do it. Whoever offers
//! SMC then takes its own offer for the other's.

use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::kernel::task::joined;
use crate::scenario::wire::tool::tool;
use crate::scenario::wire::tun;
use anyhow::Context;
use anyhow::Result;
use etherparse::IpNumber;
use etherparse::Ipv4Header;
use etherparse::TcpHeader;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::poll;
use std::fs::File;
use std::fs::write;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;

/// The host behind the box, and the end of the box before it.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 97, 0, 2));
const BOX: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 97, 0, 1));
/// The kinds of options that the box knows: end, no operation, and 2 to 5 and 8.
const KNOWN: [u8; 7] = [0, 1, 2, 3, 4, 5, 8];
/// After how many milliseconds it is looked whether the box is to end.
const PULSE: u8 = 50;

/// Runs something with a box in this guest, which forwards between the guest's other networks
/// and the host behind it.
pub fn with<T>(run: impl FnOnce(&Netns) -> Result<T>) -> Result<T> {
    let host = Netns::new()?;
    let outside = tun::open("box0")?;
    up("box0", BOX)?;
    let inside = host.run(|| {
        let inside = tun::open("box1")?;
        up("box1", HOST)?;
        tool("ip route add default dev box1")?;
        Ok(inside)
    })?;
    write("/proc/sys/net/ipv4/ip_forward", "1").context("ip_forward")?;
    let stop = AtomicBool::new(false);
    scope(|threads| {
        let work = threads.spawn(|| work(&outside, &inside, &stop));
        let done = run(&host);
        stop.store(true, Relaxed);
        joined(work)?;
        done
    })
}

/// What the box does.
fn work(mut outside: &File, mut inside: &File, stop: &AtomicBool) -> Result<()> {
    let (mut unknown, mut packet) = (Vec::new(), vec![0; 65536]);
    while !stop.load(Relaxed) {
        let ready = ready(outside, inside)?;
        if ready[0] {
            let len = outside.read(&mut packet)?;
            let syn = Segment::parse(&packet[..len]).filter(|it| it.tcp.syn);
            unknown = syn.map_or(unknown, |syn| syn.unknown());
            inside.write_all(&packet[..len])?;
        }
        if ready[1] {
            let len = inside.read(&mut packet)?;
            let syn_ack = Segment::parse(&packet[..len]).filter(|it| it.tcp.syn);
            let with = syn_ack.map(|syn_ack| syn_ack.with(&unknown)).transpose()?;
            outside.write_all(with.as_deref().unwrap_or(&packet[..len]))?;
        }
    }
    Ok(())
}

fn up(name: &str, address: IpAddr) -> Result<()> {
    net::up(name)?;
    net::add_address(name, address, 24)
}

/// Which of two files have something to be read.
fn ready(one: &File, other: &File) -> Result<[bool; 2]> {
    let fd = |file| PollFd::new(AsFd::as_fd(file), PollFlags::POLLIN);
    let mut fds = [fd(one), fd(other)];
    poll(&mut fds, PULSE)?;
    Ok(fds.map(|fd| fd.any().unwrap_or(false)))
}

/// A TCP segment with its IPv4 header.
struct Segment {
    ip: Ipv4Header,
    tcp: TcpHeader,
    payload: Vec<u8>,
}

impl Segment {
    fn parse(packet: &[u8]) -> Option<Self> {
        let (ip, rest) = Ipv4Header::from_slice(packet).ok()?;
        let rest = Some(rest).filter(|_| ip.protocol == IpNumber::TCP)?;
        let (tcp, payload) = TcpHeader::from_slice(rest).ok()?;
        let payload = payload.to_vec();
        Some(Self { ip, tcp, payload })
    }

    /// Its options that the box does not know, as they stand there.
    fn unknown(&self) -> Vec<u8> {
        let (mut unknown, mut rest) = (Vec::new(), self.tcp.options.as_slice());
        while let [kind, ..] = rest {
            let len = match (kind, rest.get(1)) {
                (0 | 1, _) => 1,
                (_, Some(len)) => usize::from(*len).clamp(2, rest.len()),
                (_, None) => 1,
            };
            if !KNOWN.contains(kind) {
                unknown.extend_from_slice(&rest[..len]);
            }
            rest = &rest[len..];
        }
        unknown
    }

    /// The packet with `options` behind its own.
    fn with(mut self, options: &[u8]) -> Result<Vec<u8>> {
        let all = [self.tcp.options.as_slice(), options].concat();
        self.tcp.set_options_raw(&all)?;
        self.ip
            .set_payload_len(self.tcp.header_len() + self.payload.len())?;
        self.ip.header_checksum = self.ip.calc_header_checksum();
        self.tcp.checksum = self.tcp.calc_checksum_ipv4(&self.ip, &self.payload)?;
        let mut packet = Vec::new();
        self.ip.write(&mut packet)?;
        self.tcp.write(&mut packet)?;
        packet.extend(self.payload);
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SMC option among others, as Linux sends them.
    const OPTIONS: [u8; 28] = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7, 254, 6, 0xe2, 0xd4, 0xc3,
        0xd9, 1, 1,
    ];

    fn segment(options: &[u8]) -> Segment {
        let mut tcp = TcpHeader::new(1, 2, 3, 4);
        tcp.syn = true;
        tcp.set_options_raw(options).expect("not too long");
        let ip = Ipv4Header::new(0, 64, IpNumber::TCP, [10, 0, 0, 1], [10, 0, 0, 2]);
        Segment {
            ip: ip.expect("short"),
            tcp,
            payload: Vec::new(),
        }
    }

    #[test]
    fn what_is_unknown_comes_back() {
        let unknown = segment(&OPTIONS).unknown();
        assert_eq!(unknown, OPTIONS[20..26]);
        let packet = segment(&OPTIONS[..20]).with(&unknown).expect("a packet");
        let back = Segment::parse(&packet).expect("a segment");
        assert_eq!(back.unknown(), unknown);
        assert_eq!(back.ip.total_len, 20 + 20 + 28);
        let sum = back.tcp.calc_checksum_ipv4(&back.ip, &[]);
        assert_eq!(sum.ok(), Some(back.tcp.checksum));
        assert!(segment(&OPTIONS[..20]).unknown().is_empty());
    }
}
