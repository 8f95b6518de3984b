// SPDX-License-Identifier: GPL-2.0
//! What the kernel says of TCP sockets: INET_DIAG. An SMC socket has a TCP socket inside, which
//! is listed here like any other.

use crate::request::Body;
use crate::request::request;
use anyhow::Context;
use anyhow::Result;
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use std::net::IpAddr;
use std::net::SocketAddr;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const MESSAGE_LEN: usize = 72;

/// One TCP socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    pub local: SocketAddr,
    /// Port 0 if it is not connected.
    pub peer: SocketAddr,
    pub inode: u64,
}

/// All TCP sockets of this network namespace, of `AF_INET` or of `AF_INET6`.
pub fn sockets(family: i32) -> Result<Vec<Socket>> {
    const ALL_STATES: u32 = u32::MAX;
    let mut header = [0; 56];
    header[0] = family as u8;
    header[1] = libc::IPPROTO_TCP as u8;
    header[4..8].copy_from_slice(&ALL_STATES.to_ne_bytes());
    let kind = SOCK_DIAG_BY_FAMILY;
    let answer = request(
        NlFamily::SockOrInetDiag,
        kind,
        NlmF::DUMP,
        Body::new(&header),
    )
    .context("INET_DIAG: is inet_diag.ko there?")?;
    answer.iter().map(|message| parse(message)).collect()
}

/// Reads a `struct inet_diag_msg`; attributes behind it are left alone.
fn parse(message: &[u8]) -> Result<Socket> {
    let head: &[u8; MESSAGE_LEN] = message
        .first_chunk()
        .with_context(|| format!("INET_DIAG: a message of {} bytes", message.len()))?;
    let v6 = i32::from(head[0]) == libc::AF_INET6;
    let id = SockId::parse(head[4..].first_chunk().context("INET_DIAG: no id")?);
    let inode = [head[68], head[69], head[70], head[71]];
    Ok(Socket {
        local: SocketAddr::new(id.source(v6), id.sport),
        peer: SocketAddr::new(id.destination(v6), id.dport),
        inode: u32::from_ne_bytes(inode).into(),
    })
}

/// A `struct inet_diag_sockid`: ports in host byte order, addresses as on the wire.
pub(crate) struct SockId {
    pub sport: u16,
    pub dport: u16,
    source: [u8; 16],
    destination: [u8; 16],
}

impl SockId {
    /// Reads it from its first 36 bytes; device and cookie follow there.
    pub fn parse(bytes: &[u8; 36]) -> Self {
        let mut id = Self {
            sport: u16::from_be_bytes([bytes[0], bytes[1]]),
            dport: u16::from_be_bytes([bytes[2], bytes[3]]),
            source: [0; 16],
            destination: [0; 16],
        };
        id.source.copy_from_slice(&bytes[4..20]);
        id.destination.copy_from_slice(&bytes[20..36]);
        id
    }

    pub fn source(&self, v6: bool) -> IpAddr {
        ip(&self.source, v6)
    }

    pub fn destination(&self, v6: bool) -> IpAddr {
        ip(&self.destination, v6)
    }

    /// Whether there is any address.
    pub fn is_told(&self) -> bool {
        self.source != [0; 16] || self.destination != [0; 16]
    }

    /// Whether more than the first word of an address is used.
    pub fn is_long(&self) -> bool {
        let long = |address: &[u8; 16]| address[4..] != [0; 12];
        long(&self.source) || long(&self.destination)
    }
}

fn ip(bytes: &[u8; 16], v6: bool) -> IpAddr {
    match v6 {
        true => IpAddr::from(*bytes),
        false => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_addresses() {
        let mut message = vec![0; MESSAGE_LEN];
        message[0] = libc::AF_INET as u8;
        message[4..8].copy_from_slice(&[0x14, 0x51, 0x80, 0x01]);
        message[8..12].copy_from_slice(&[127, 0, 0, 1]);
        message[24..28].copy_from_slice(&[127, 0, 0, 2]);
        message[68..72].copy_from_slice(&99_u32.to_ne_bytes());
        let socket = parse(&message).expect("a whole message");
        assert_eq!(socket.local.to_string(), "127.0.0.1:5201");
        assert_eq!(socket.peer.to_string(), "127.0.0.2:32769");
        assert_eq!(socket.inode, 99);
        message[0] = libc::AF_INET6 as u8;
        let socket = parse(&message).expect("the same with more of the address");
        assert_eq!(socket.local.to_string(), "[7f00:1::]:5201");
        assert!(parse(&message[1..]).is_err());
    }
}
