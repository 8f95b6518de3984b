// SPDX-License-Identifier: GPL-2.0
//! Which of the segments that open a connection carry the SMC option, as a packet socket on
//! the host that connects sees them.

use anyhow::Context;
use anyhow::Result;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use std::io::Read;
use std::time::Duration;

const ETH_P_ALL: u16 = 3;
const TCP: u8 = 6;
const SYN: u8 = 1 << 1;
const ACK: u8 = 1 << 4;
/// The experimental TCP option of RFC 7609: kind, length, "SMCR" in EBCDIC.
const SMC: [u8; 6] = [254, 6, 0xe2, 0xd4, 0xc3, 0xd9];
/// Longer than a handshake takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the SYN has the option, and whether the SYN-ACK has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    pub syn: bool,
    pub syn_ack: bool,
}

/// Sees all that comes and goes in the network namespace where it was made.
pub struct Tap(Socket);

impl Tap {
    /// Begins to listen.
    pub fn new() -> Result<Self> {
        let protocol = i32::from(ETH_P_ALL.to_be());
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(protocol)))
            .context("a packet socket")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Waits for the first SYN to `port` and the SYN-ACK to it.
    pub fn options(mut self, port: u16) -> Result<Options> {
        let (mut syn, mut packet) = (None, [0; 2048]);
        loop {
            let len = self.0.read(&mut packet).context("no SYN, or no SYN-ACK")?;
            let Some(segment) = packet.get(..len).and_then(Segment::parse) else {
                continue;
            };
            match segment.flags & (SYN | ACK) {
                SYN if segment.dst == port => syn = syn.or(Some(segment.smc)),
                flags if flags == SYN | ACK && segment.src == port => {
                    let syn = syn.context("a SYN-ACK before any SYN")?;
                    let syn_ack = segment.smc;
                    return Ok(Options { syn, syn_ack });
                }
                _ => {}
            }
        }
    }
}

/// What matters of a TCP segment.
#[derive(Debug, PartialEq)]
struct Segment {
    src: u16,
    dst: u16,
    flags: u8,
    smc: bool,
}

impl Segment {
    /// Of an IPv4 or IPv6 packet, without extension headers.
    fn parse(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        let (protocol, at) = match first >> 4 {
            4 => (*packet.get(9)?, usize::from(first & 15) * 4),
            6 => (*packet.get(6)?, 40),
            _ => return None,
        };
        let segment = packet.get(at..).filter(|_| protocol == TCP)?;
        let port = |at: usize| Some(u16::from_be_bytes(*segment.get(at..)?.first_chunk()?));
        let end = usize::from(*segment.get(12)? >> 4) * 4;
        Some(Self {
            src: port(0)?,
            dst: port(2)?,
            flags: *segment.get(13)?,
            smc: has_smc(segment.get(20..end)?),
        })
    }
}

/// Whether the option is among these of a segment.
fn has_smc(mut options: &[u8]) -> bool {
    const END: u8 = 0;
    const NOP: u8 = 1;
    loop {
        let len = match options {
            [] | [END, ..] => return false,
            [NOP, ..] => 1,
            _ if options.starts_with(&SMC) => return true,
            [_, len, ..] => usize::from(*len).max(2),
            [_] => return false,
        };
        options = options.get(len..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_among_others() {
        assert!(has_smc(&[
            2, 4, 5, 0xb4, 1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9
        ]));
        assert!(!has_smc(&[
            2, 4, 5, 0xb4, 1, 1, 254, 6, 0xe2, 0xd4, 0xc3, 0xd8
        ]));
        assert!(!has_smc(&[0, 254, 6, 0xe2, 0xd4, 0xc3, 0xd9]));
        assert!(!has_smc(&[2, 0, 0, 0]));
        assert!(!has_smc(&[8]));
    }

    #[test]
    fn a_segment_is_where_the_ip_header_ends() {
        let mut packet = vec![0x45, 0, 0, 46, 0, 0, 0, 0, 64, TCP, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([0x12, 0x34, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([0x70, SYN, 0, 0, 0, 0, 0, 0]);
        packet.extend([&SMC[..], &[1, 1]].concat());
        let segment = Segment::parse(&packet).expect("a segment");
        let Segment {
            src,
            dst,
            flags,
            smc,
        } = segment;
        assert_eq!((src, dst, flags, smc), (0x1234, 80, SYN, true));
        packet[9] = 17;
        assert_eq!(Segment::parse(&packet), None);
    }
}
