// SPDX-License-Identifier: GPL-2.0
//! What the kernel says of SMC sockets: the SMC_DIAG netlink interface.

use crate::netlink::Body;
use crate::netlink::attrs;
use crate::netlink::request;
use anyhow::Context;
use anyhow::Result;
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::read_dir;
use std::fs::read_link;

/// The address family of classic SMC sockets, and of their diagnosis.
pub const AF_SMC: i32 = 43;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SMC_DIAG_FALLBACK: u16 = 5;
const REQUEST_LEN: usize = 52;
const MESSAGE_LEN: usize = 64;

/// `sk_state` of an SMC socket that is connected and open both ways.
pub const ACTIVE: u8 = 1;

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

/// One SMC socket. Of `IPPROTO_SMC` ones the kernel does not tell the addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    pub state: u8,
    /// Meaningful for a connected socket only: others are given out as SMC-R.
    pub carrier: Carrier,
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
    let (head, rest) = message
        .split_at_checked(MESSAGE_LEN)
        .with_context(|| format!("SMC_DIAG: a message of {} bytes", message.len()))?;
    let mut reason = 0;
    for (kind, value) in attrs(rest)? {
        if let (SMC_DIAG_FALLBACK, [a, b, c, d, ..]) = (kind, value.as_slice()) {
            reason = u32::from_ne_bytes([*a, *b, *c, *d]);
        }
    }
    let carrier = match head[2] {
        0 => Carrier::SmcR,
        1 => Carrier::Fallback(reason),
        _ => Carrier::SmcD,
    };
    let mut inode = [0; 8];
    inode.copy_from_slice(&head[56..64]);
    Ok(Socket {
        state: head[1],
        carrier,
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

/// What carries the open SMC connections of a process now; nothing if it has none.
pub fn carriers_of(pid: u32) -> Result<BTreeSet<Carrier>> {
    let inodes = inodes_of(pid)?;
    let open = |s: &Socket| s.state == ACTIVE && inodes.contains(&s.inode);
    Ok(sockets()?
        .into_iter()
        .filter(open)
        .map(|s| s.carrier)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mode: u8) -> Vec<u8> {
        let mut message = vec![0; MESSAGE_LEN];
        message[..3].copy_from_slice(&[2, ACTIVE, mode]);
        message[56..64].copy_from_slice(&4711_u64.to_ne_bytes());
        // nla_len 12, nla_type SMC_DIAG_FALLBACK, reason, peer_diagnosis.
        message.extend([12, 0, 5, 0]);
        message.extend(0x0301_0000_u32.to_ne_bytes());
        message.extend([0; 4]);
        message
    }

    #[test]
    fn a_fallback_comes_with_its_reason() {
        let socket = parse(&message(1)).expect("a whole message");
        assert_eq!(socket.carrier, Carrier::Fallback(0x0301_0000));
        assert_eq!((socket.state, socket.inode), (ACTIVE, 4711));
        assert_eq!(parse(&message(2)).expect("one more").carrier, Carrier::SmcD);
        assert!(parse(&[0; 63]).is_err());
    }
}
