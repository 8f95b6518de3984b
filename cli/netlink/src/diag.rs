// SPDX-License-Identifier: GPL-2.0
//! What the kernel says of SMC sockets: the SMC_DIAG netlink interface.

use crate::inet::SockId;
use crate::reason::Reason;
use crate::request::Body;
use crate::request::attrs;
use crate::request::request;
use anyhow::Context;
use anyhow::Result;
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::read_dir;
use std::fs::read_link;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// The address family of classic SMC sockets, and of their diagnosis.
pub const AF_SMC: i32 = 43;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SMC_DIAG_FALLBACK: u16 = 5;
const REQUEST_LEN: usize = 52;
const MESSAGE_LEN: usize = 64;

/// `sk_state` of an SMC socket that is connected and open both ways.
pub const ACTIVE: u8 = 1;
/// `sk_state` of an SMC socket that is not connected yet.
pub const INIT: u8 = 2;
/// `sk_state` of an SMC socket at its end.
pub const CLOSED: u8 = 7;
/// `sk_state` of an SMC socket that listens.
pub const LISTEN: u8 = 10;

/// What carries a connection's bytes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Carrier {
    /// A TCP socket, not an SMC one.
    Tcp,
    /// An SMC socket that fell back to TCP, for this reason.
    Fallback(u32),
    /// SMC over a shared-memory device.
    SmcD,
    /// SMC over RDMA.
    SmcR,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => write!(f, "TCP"),
            Self::Fallback(why) => write!(f, "TCP (fallback {why:#010x})"),
            Self::SmcD => write!(f, "SMC-D"),
            Self::SmcR => write!(f, "SMC-R"),
        }
    }
}

/// One SMC socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// `AF_INET` or `AF_INET6` of an `IPPROTO_SMC` socket; [`AF_SMC`] of others, and of all that
    /// were accepted.
    pub family: i32,
    pub state: u8,
    /// Meaningful for a connected socket only: others are given out as SMC-R.
    pub carrier: Carrier,
    /// Why the peer declined, if it did.
    pub peer_reason: Option<Reason>,
    /// Its own port and its peer's, 0 if there is none.
    pub ports: (u16, u16),
    /// Its own address and its peer's. Of `IPPROTO_SMC` sockets the kernel does not tell them.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// The owner's uid.
    pub uid: u32,
    pub inode: u64,
}

/// All SMC sockets of this network namespace.
pub fn sockets() -> Result<Vec<Socket>> {
    let mut header = [0; REQUEST_LEN];
    header[0] = AF_SMC as u8;
    let body = Body::new(&header);
    let kind = SOCK_DIAG_BY_FAMILY;
    let answer = request(NlFamily::SockOrInetDiag, kind, NlmF::DUMP, body)
        .context("SMC_DIAG: is smc_diag.ko loaded?")?;
    answer.iter().map(|message| parse(message)).collect()
}

/// The SMC socket with this inode, if it is one.
pub fn socket(inode: u64) -> Result<Option<Socket>> {
    Ok(sockets()?.into_iter().find(|s| s.inode == inode))
}

/// Reads a `struct smc_diag_msg` and the attributes behind it.
fn parse(message: &[u8]) -> Result<Socket> {
    let (head, rest): (&[u8; MESSAGE_LEN], _) = message
        .split_first_chunk()
        .with_context(|| format!("SMC_DIAG: a message of {} bytes", message.len()))?;
    let (mut reason, mut peer_reason) = (0, 0);
    for (kind, value) in attrs(rest)? {
        if let (SMC_DIAG_FALLBACK, [a, b, c, d, e, f, g, h, ..]) = (kind, value.as_slice()) {
            reason = u32::from_ne_bytes([*a, *b, *c, *d]);
            peer_reason = u32::from_ne_bytes([*e, *f, *g, *h]);
        }
    }
    let carrier = match head[2] {
        0 => Carrier::SmcR,
        1 => Carrier::Fallback(reason),
        _ => Carrier::SmcD,
    };
    let family = head[0].into();
    let id = SockId::parse(head[4..].first_chunk().context("SMC_DIAG: no id")?);
    let of_its_own = || {
        let v6 = id.is_long();
        (
            SocketAddr::new(id.source(v6), id.sport),
            SocketAddr::new(id.destination(v6), id.dport),
        )
    };
    let mut inode = [0; 8];
    inode.copy_from_slice(&head[56..64]);
    Ok(Socket {
        family,
        state: head[1],
        carrier,
        peer_reason: (peer_reason != 0).then_some(Reason(peer_reason)),
        ports: (id.sport, id.dport),
        addresses: (family == AF_SMC && id.is_told()).then(of_its_own),
        uid: u32::from_ne_bytes([head[52], head[53], head[54], head[55]]),
        inode: u64::from_ne_bytes(inode),
    })
}

/// The inodes of the sockets that a process has open.
pub fn inodes_of(pid: u32) -> Result<Vec<u64>> {
    let mut inodes = Vec::new();
    for entry in read_dir(format!("/proc/{pid}/fd"))? {
        // A descriptor may be closed between the listing and the look.
        let Ok(target) = read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let number = target
            .strip_prefix("socket:[")
            .and_then(|t| t.strip_suffix(']'));
        inodes.extend(number.and_then(|n| n.parse::<u64>().ok()));
    }
    Ok(inodes)
}

/// The states from the first shutdown of a connection to its close.
const CLOSING: RangeInclusive<u8> = 20..=25;

/// What carries the open SMC connections of a process now; nothing if it has none.
pub fn carriers_of(pid: u32) -> Result<BTreeSet<Carrier>> {
    let inodes = inodes_of(pid)?;
    let connected = |state| state == ACTIVE || CLOSING.contains(&state);
    let open = |s: &Socket| connected(s.state) && inodes.contains(&s.inode);
    Ok(sockets()?
        .into_iter()
        .filter(open)
        .map(|s| s.carrier)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(family: i32, mode: u8) -> Vec<u8> {
        let mut message = vec![0; MESSAGE_LEN];
        message[..3].copy_from_slice(&[family as u8, ACTIVE, mode]);
        message[4..12].copy_from_slice(&[0, 80, 0x80, 1, 10, 0, 0, 1]);
        message[24..28].copy_from_slice(&[10, 0, 0, 2]);
        message[56..64].copy_from_slice(&4711_u64.to_ne_bytes());
        // nla_len 12, nla_type SMC_DIAG_FALLBACK, reason, peer_diagnosis.
        message.extend([12, 0, 5, 0]);
        message.extend(0x0301_0000_u32.to_ne_bytes());
        message.extend(0x0303_0008_u32.to_ne_bytes());
        message
    }

    #[test]
    fn a_fallback_comes_with_its_reason() {
        let socket = parse(&message(libc::AF_INET, 1)).expect("a whole message");
        assert_eq!(socket.carrier, Carrier::Fallback(0x0301_0000));
        assert_eq!(socket.peer_reason, Some(Reason(0x0303_0008)));
        assert_eq!((socket.state, socket.inode), (ACTIVE, 4711));
        let socket = parse(&message(libc::AF_INET, 2)).expect("one more");
        assert_eq!(socket.carrier, Carrier::SmcD);
        assert!(parse(&[0; 63]).is_err());
    }

    #[test]
    fn only_classic_sockets_have_addresses() {
        let socket = parse(&message(libc::AF_INET, 2)).expect("a whole message");
        assert_eq!((socket.ports, socket.addresses), ((80, 32769), None));
        let socket = parse(&message(AF_SMC, 2)).expect("a whole message");
        let (local, peer) = socket.addresses.expect("addresses");
        assert_eq!(local.to_string(), "10.0.0.1:80");
        assert_eq!(peer.to_string(), "10.0.0.2:32769");
        // As an accepted IPPROTO_SMC socket is told of.
        let mut accepted = message(AF_SMC, 2);
        accepted[8..40].fill(0);
        let socket = parse(&accepted).expect("a whole message");
        assert_eq!((socket.ports, socket.addresses), ((80, 32769), None));
    }
}
