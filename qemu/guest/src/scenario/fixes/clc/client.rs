// SPDX-License-Identifier: GPL-2.0
//! The first steps of the CLC handshake (RFC 7609), by hand: a client that proposes what it
//! is told to and says what the listener answers. The kernel's own clients propose no V1
//! prefix where there is no hardware.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::SockRef;
use std::fmt;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::network_endian::U16;
use zerocopy::network_endian::U32;
use zerocopy::network_endian::U64;

/// "SMCR" and "SMCD" in EBCDIC, at both ends of a message.
const SMCR: [u8; 4] = [0xe2, 0xd4, 0xc3, 0xd9];
const SMCD: [u8; 4] = [0xe2, 0xd4, 0xc3, 0xc4];

const PROPOSAL: u8 = 1;
const ACCEPT: u8 = 2;
/// The type of a Decline.
pub const DECLINE: u8 = 4;

/// Reasons to decline (`net/smc/smc_clc.h`).
pub const NO_SMCD_DEVICE: u32 = 0x0303_0001;
pub const NO_DEVICE: u32 = 0x0303_0000;
pub const DIFFERENT_PREFIX: u32 = 0x0307_0000;

/// Where in a Proposal what matters lies.
pub const LENGTH_AT: usize = 5;
pub const AREA_OFFSET_AT: usize = size_of::<Head>() - 2;
pub const HEAD_LEN: usize = size_of::<Head>();

/// The largest Proposal that the kernel has room for (`struct smc_clc_msg_proposal_area`).
pub const LARGEST: usize = 652;

/// What every message begins with.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    eyecatcher: [u8; 4],
    kind: u8,
    /// Of the whole message, in bytes.
    length: U16,
    /// From the top: version (4 bits), V2's kinds of device (2), V1's (2).
    flags: u8,
}

/// A Proposal up to its areas.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    header: Header,
    peer_id: [u8; 8],
    gid: [u8; 16],
    mac: [u8; 6],
    /// From the end of this structure to the prefixes.
    area_offset: U16,
}

/// What an SMC-D capable client says of itself.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct SmcD {
    gid: U64,
    chid: U16,
    /// From the end of this field to the V2 extension.
    v2_offset: U16,
    reserved: [u8; 28],
}

/// The prefixes: one of IPv4, or how many of IPv6 follow.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Area {
    subnet: [u8; 4],
    length: u8,
    reserved: [u8; 2],
    ipv6_count: u8,
}

#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv6Prefix {
    prefix: [u8; 16],
    length: u8,
}

/// The V2 extension, up to the user EIDs.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct V2 {
    eid_count: u8,
    gid_count: u8,
    reserved: u8,
    /// The upper half is the release.
    flags: u8,
    reserved2: [u8; 2],
    /// From the end of this field to the V2 extension of SMC-D.
    smcd_offset: U16,
    roce: [u8; 16],
    max_conns: u8,
    max_links: u8,
    features: U16,
    reserved3: [u8; 12],
}

/// The V2 extension of SMC-D, up to the pairs of GID and CHID.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct SmcDV2 {
    system_eid: [u8; 32],
    reserved: [u8; 16],
}

#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct GidChid {
    gid: U64,
    chid: U16,
}

/// An Accept or a Decline, as far as it interests.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Reply {
    header: Header,
    peer_id: [u8; 8],
    /// Of a Decline.
    reason: U32,
}

const _: () = assert!(size_of::<Head>() == 40 && size_of::<SmcD>() == 40);
const _: () = assert!(size_of::<Area>() == 8 && size_of::<Ipv6Prefix>() == 17);
const _: () = assert!(size_of::<V2>() == 40 && size_of::<SmcDV2>() == 48);

/// Kinds of device, as two bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Devices {
    Rdma = 0,
    Ism = 1,
    Both = 3,
}

/// What a Proposal says of the client's subnets.
#[derive(Clone, Debug)]
pub enum Prefixes {
    V4(Ipv4Addr, u8),
    V6(Vec<(Ipv6Addr, u8)>),
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(subnet, length) => write!(f, "{subnet}/{length}"),
            Self::V6(all) => match all.as_slice() {
                [(prefix, length)] => write!(f, "{prefix}/{length}"),
                [.., (prefix, length)] => {
                    write!(f, "{} others and {prefix}/{length}", all.len() - 1)
                }
                [] => write!(f, "no prefix"),
            },
        }
    }
}

impl Prefixes {
    /// One prefix of either family.
    pub fn one(prefix: IpAddr, length: u8) -> Self {
        match prefix {
            IpAddr::V4(subnet) => Self::V4(subnet, length),
            IpAddr::V6(prefix) => Self::V6(vec![(prefix, length)]),
        }
    }
}

/// A Proposal.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// What V1 is offered for.
    pub devices: Devices,
    /// The client's SMC-D GID.
    pub gid: u64,
    pub prefixes: Prefixes,
    /// What V2 is offered for as well, and with which user EIDs.
    pub v2: Option<(Devices, Vec<[u8; 32]>)>,
}

impl Proposal {
    /// One of V1 alone.
    pub fn v1(devices: Devices, prefixes: Prefixes) -> Self {
        Self {
            devices,
            gid: 0,
            prefixes,
            v2: None,
        }
    }

    /// The message.
    pub fn bytes(&self) -> Vec<u8> {
        let area = self.area();
        let v2 = self.v2.as_ref().map(|(_, eids)| v2_extension(eids));
        let smcd = (self.devices != Devices::Rdma || v2.is_some()).then_some(SmcD {
            gid: self.gid.into(),
            chid: 0.into(),
            v2_offset: match v2 {
                // Its own reserved bytes and the prefixes lie between.
                Some(_) => (28 + area.len() as u16).into(),
                None => 0.into(),
            },
            reserved: [0; 28],
        });
        let eyecatcher = match self.devices {
            Devices::Ism => SMCD,
            _ => SMCR,
        };
        let (version, kinds) = match self.v2 {
            Some((devices, _)) => (2, devices as u8),
            None => (1, 0),
        };
        let head = Head {
            header: Header {
                eyecatcher,
                kind: PROPOSAL,
                length: 0.into(),
                flags: version << 4 | kinds << 2 | self.devices as u8,
            },
            peer_id: *b"\0\x01SMCIFY",
            gid: [0; 16],
            mac: [2, 0, 0, 0, 0, 1],
            area_offset: smcd.map_or(0, |it| size_of_val(&it) as u16).into(),
        };
        let smcd = smcd.as_ref().map_or([].as_slice(), IntoBytes::as_bytes);
        let v2 = v2.unwrap_or_default();
        let mut message = [head.as_bytes(), smcd, &area, &v2, &eyecatcher].concat();
        set_length(&mut message);
        message
    }

    fn area(&self) -> Vec<u8> {
        let mut area = Area {
            subnet: [0; 4],
            length: 0,
            reserved: [0; 2],
            ipv6_count: 0,
        };
        match &self.prefixes {
            Prefixes::V4(subnet, length) => {
                area.subnet = subnet.octets();
                area.length = *length;
                area.as_bytes().to_vec()
            }
            Prefixes::V6(all) => {
                area.ipv6_count = all.len() as u8;
                let mut bytes = area.as_bytes().to_vec();
                for (prefix, length) in all {
                    let prefix = Ipv6Prefix {
                        prefix: prefix.octets(),
                        length: *length,
                    };
                    bytes.extend(prefix.as_bytes());
                }
                bytes
            }
        }
    }
}

/// The extension for V2: user EIDs, and one emulated ISM device, which takes two pairs.
fn v2_extension(eids: &[[u8; 32]]) -> Vec<u8> {
    let eid_bytes = eids.concat();
    let v2 = V2 {
        eid_count: eids.len() as u8,
        gid_count: 2,
        reserved: 0,
        flags: 1 << 4,
        reserved2: [0; 2],
        smcd_offset: (32 + eid_bytes.len() as u16).into(),
        roce: [0; 16],
        max_conns: 255,
        max_links: 2,
        features: 0.into(),
        reserved3: [0; 12],
    };
    let smcd = SmcDV2 {
        system_eid: [0; 32],
        reserved: [0; 16],
    };
    let pair = |gid: u64| GidChid {
        gid: gid.into(),
        chid: 0xffff.into(),
    };
    let pairs = [pair(1), pair(2)];
    [v2.as_bytes(), &eid_bytes, smcd.as_bytes(), pairs.as_bytes()].concat()
}

/// Makes a message say how long it is, as far as it has room for that.
pub fn set_length(message: &mut [u8]) {
    let length = U16::new(message.len() as u16);
    if let Some(place) = message.get_mut(LENGTH_AT..LENGTH_AT + 2) {
        place.copy_from_slice(length.as_bytes());
    }
}

/// What a listener makes of a Proposal.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Answer {
    /// It wants to go on with SMC.
    Accepted,
    /// It wants to go on with TCP, for this reason.
    Declined(u32),
    /// It says nothing and closes.
    Closed,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => write!(f, "Accept"),
            Self::Declined(reason) => write!(f, "Decline {reason:#010x}"),
            Self::Closed => write!(f, "closed"),
        }
    }
}

/// Reasons are known by their digits.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Answer {
    fn read(from: &mut impl Read) -> Result<Self> {
        let mut bytes = [0; size_of::<Reply>()];
        match from.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(e) if closed(e.kind()) => return Ok(Self::Closed),
            Err(e) => return Err(e).context("no answer"),
        }
        let reply = Reply::read_from_bytes(&bytes).map_err(|e| anyhow::anyhow!("{e}"))?;
        let Header {
            eyecatcher, kind, ..
        } = reply.header;
        ensure!([SMCR, SMCD].contains(&eyecatcher), "no CLC: {bytes:x?}");
        match kind {
            ACCEPT => Ok(Self::Accepted),
            DECLINE => Ok(Self::Declined(reply.reason.get())),
            _ => anyhow::bail!("a message of type {kind}"),
        }
    }
}

/// The listener's end is gone, with or without regret.
fn closed(kind: ErrorKind) -> bool {
    [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
    ]
    .contains(&kind)
}

/// Connects, says `message` and nothing more, and returns the answer. The thread's sockets
/// must have the SMC option in their SYN: [`SynOption`](crate::kernel::bpf::syn_option::SynOption).
pub fn ask(listener: SocketAddr, message: &[u8], patience: Duration) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&listener, patience).context("no connection")?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // No one waits out the last packets of thousands of connections.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    let said = stream
        .write_all(message)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    match said {
        Err(e) if !closed(e.kind()) && e.kind() != ErrorKind::NotConnected => {
            Err(e).context("the message does not go")
        }
        _ => Answer::read(&mut stream),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_as_long_as_it_says() {
        let v4 = Prefixes::V4(Ipv4Addr::new(10, 0, 0, 0), 8);
        let v6 = Prefixes::V6(vec![(Ipv6Addr::LOCALHOST, 128); 8]);
        let v2 = Some((Devices::Ism, vec![[b' '; 32]; 8]));
        let lengths = [
            (Devices::Rdma, v4.clone(), None, 52),
            (Devices::Ism, v4, None, 92),
            (Devices::Rdma, v6.clone(), None, 188),
            (Devices::Both, v6, v2, 592),
        ];
        for (devices, prefixes, v2, expected) in lengths {
            let proposal = Proposal {
                v2,
                ..Proposal::v1(devices, prefixes)
            };
            let bytes = proposal.bytes();
            assert_eq!(bytes.len(), expected);
            assert_eq!(
                bytes[LENGTH_AT..LENGTH_AT + 2],
                (expected as u16).to_be_bytes()
            );
            assert!(bytes.len() <= LARGEST);
        }
    }

    #[test]
    fn an_answer_has_its_reason() {
        let mut decline = [&SMCR[..], &[DECLINE, 0, 28, 0x10], &[0; 8]].concat();
        decline.extend(DIFFERENT_PREFIX.to_be_bytes());
        let answer = Answer::read(&mut decline.as_slice()).expect("a Decline");
        assert_eq!(answer, Answer::Declined(DIFFERENT_PREFIX));
        let cut = Answer::read(&mut &decline[..7]).expect("an end");
        assert_eq!(cut, Answer::Closed);
        decline[0] = 0;
        assert!(Answer::read(&mut decline.as_slice()).is_err());
    }
}
