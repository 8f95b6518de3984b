// SPDX-License-Identifier: GPL-2.0
//! What the answer to a Proposal must be, by RFC 7609 and read naively: no masks, no byte
//! order, nothing of the kernel's or the module's code.

use crate::scenario::fixes::clc::client::Answer;
use crate::scenario::fixes::clc::client::DIFFERENT_PREFIX;
use crate::scenario::fixes::clc::client::Devices;
use crate::scenario::fixes::clc::client::NO_DEVICE;
use crate::scenario::fixes::clc::client::NO_SMCD_DEVICE;
use crate::scenario::fixes::clc::client::Prefixes;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, h: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, h))
}

/// The listener's addresses, the peer's if there is one, and the length of the prefix.
pub const DEVICE: [(IpAddr, IpAddr, u8); 6] = [
    (v4(10, 97, 1, 1), v4(10, 97, 1, 1), 24),
    (v4(192, 168, 77, 1), v4(192, 168, 77, 1), 20),
    (v4(10, 97, 5, 1), v4(10, 97, 6, 1), 24),
    (v6(0xfd97, 1, 0, 1), v6(0xfd97, 1, 0, 1), 64),
    (v6(0x2001, 0xdb8, 0x97, 1), v6(0x2001, 0xdb8, 0x97, 1), 47),
    (v6(0xfe80, 0, 0, 0x97), v6(0xfe80, 0, 0, 0x97), 64),
];

/// The client's.
pub const CLIENT: [(IpAddr, u8); 2] = [(v4(10, 97, 1, 2), 24), (v6(0xfd97, 1, 0, 2), 64)];

/// Where the client reaches the listener, by either family.
pub const LISTENER: [IpAddr; 2] = [DEVICE[0].0, DEVICE[3].0];

/// No Proposal may have more prefixes of IPv6.
const MOST_PREFIXES: usize = 8;

/// What is to be answered; `ism` if the listener has an ISM device for this connection.
pub fn answer(devices: Devices, prefixes: &Prefixes, ism: bool) -> Answer {
    if matches!(prefixes, Prefixes::V6(all) if all.len() > MOST_PREFIXES) {
        return Answer::Closed;
    }
    match (same_subnet(prefixes), devices) {
        (false, _) => Answer::Declined(DIFFERENT_PREFIX),
        (true, Devices::Rdma) => Answer::Declined(NO_DEVICE),
        (true, _) if ism => Answer::Accepted,
        (true, _) => Answer::Declined(NO_SMCD_DEVICE),
    }
}

/// Whether one of the prefixes is that of an address that the listener's device has.
pub fn same_subnet(prefixes: &Prefixes) -> bool {
    let proposed: Vec<(IpAddr, u8)> = match prefixes {
        Prefixes::V4(subnet, length) => vec![(IpAddr::V4(*subnet), *length)],
        Prefixes::V6(all) => all.iter().map(|&(p, l)| (IpAddr::V6(p), l)).collect(),
    };
    proposed.iter().any(|&(prefix, length)| {
        DEVICE.iter().any(|&(_, peer, own)| {
            own == length && !is_link_local(peer) && begin_alike(prefix, peer, length)
        })
    })
}

/// The same family, and the same first bits.
fn begin_alike(one: IpAddr, other: IpAddr, length: u8) -> bool {
    let (one, other) = (digits(one), digits(other));
    let length = usize::from(length);
    one.len() == other.len() && one.get(..length) == other.get(..length)
}

/// An address as the zeroes and ones that it is.
fn digits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => format!("{:032b}", u32::from(a)),
        IpAddr::V6(a) => format!("{:0128b}", u128::from(a)),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.segments()[0] & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_by_length_and_by_its_first_bits() {
        let matches = |prefix: &str, length| {
            let prefix = prefix.parse().expect("an address");
            same_subnet(&Prefixes::one(prefix, length))
        };
        assert!(matches("10.97.1.0", 24) && matches("10.97.1.255", 24));
        assert!(!matches("10.97.1.0", 23) && !matches("10.97.0.0", 24));
        // The subnet of an address with a peer is the peer's.
        assert!(matches("10.97.6.0", 24) && !matches("10.97.5.0", 24));
        assert!(matches("2001:db8:97::", 47) && matches("2001:db8:96::", 47));
        assert!(!matches("fe80::", 64) && !matches("::", 0));
        assert!(matches("fd97:1::", 64) && !matches("fd97:1::", 200));
    }
}
