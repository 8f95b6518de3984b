// SPDX-License-Identifier: GPL-2.0

//! KUnit: from a socket to the addresses of its egress device, on real devices. The guest has
//! given `dummy0` the addresses that are expected here.

use kernel::prelude::*;
use kernel::sync::rcu;

use crate::calls::{
    connect4,
    connect6,
    references,
    sock, //
};
use crate::net::clc::In6Addr;
use crate::net::{
    ARef,
    NetDevice,
    Socket, //
};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const SOCK_DGRAM: i32 = 2;

/// Where `dummy0` leads.
pub(crate) const BY_DUMMY: [u8; 4] = [198, 51, 100, 77];
/// Where `dummy0` leads, with IPv6: 2001:db8:1::77.
pub(crate) const BY_DUMMY6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77];
/// Addresses of `dummy0` and the lengths of their masks.
pub(crate) const ADDRESSES: [([u8; 4], u32); 4] = [
    ([198, 51, 100, 1], 24),
    ([198, 51, 100, 130], 25),
    ([203, 0, 113, 4], 31),
    ([192, 0, 2, 1], 32),
];
/// IPv6 addresses of `dummy0`, beside its link-local one, and their prefix lengths.
pub(crate) const ADDRESSES6: [([u8; 16], u32); 3] = [
    ([0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 64),
    ([0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 48),
    (
        [0x20, 1, 0xd, 0xb8, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        128,
    ),
];

/// A datagram socket with a route to an IPv4 address.
pub(crate) fn routed4(to: [u8; 4]) -> Result<Socket> {
    let socket = Socket::create_kern(AF_INET, SOCK_DGRAM, 0)?;
    connect4(&socket, to, 9)?;
    Ok(socket)
}

/// A datagram socket with a route to an IPv6 address.
pub(crate) fn routed6(to: [u8; 16]) -> Result<Socket> {
    let socket = Socket::create_kern(AF_INET6, SOCK_DGRAM, 0)?;
    connect6(&socket, to)?;
    Ok(socket)
}

/// The egress device of a socket, for as long as one likes.
pub(crate) fn device(socket: &Socket) -> Result<ARef<NetDevice>> {
    let guard = rcu::read_lock();
    let dst = sock(socket).dst(&guard).ok_or(ENODEV)?;
    dst.dev(&guard).map(ARef::from).ok_or(ENODEV)
}

/// The IPv4 addresses and masks of a device: the first eight, and how many.
fn ipv4(dev: &NetDevice) -> ([(u32, u32); 8], usize) {
    let (mut found, mut count) = ([(0, 0); 8], 0);
    let guard = rcu::read_lock();
    for ifa in dev.in_device(&guard).iter().flat_map(|it| it.addresses()) {
        if let Some(place) = found.get_mut(count) {
            *place = (ifa.address().to_host(), ifa.mask().to_host());
        }
        count += 1;
    }
    (found, count)
}

#[kunit_tests(smcify_net)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_was_never_connected_has_no_route() {
        let socket = Socket::create_kern(AF_INET, SOCK_DGRAM, 0);
        let route = socket.map(|it| sock(&it).dst(&rcu::read_lock()).is_some());
        assert_eq!(route, Ok(false));
    }

    #[test]
    fn to_oneself_goes_by_a_device_with_the_loopback_addresses() {
        let found = routed4([127, 0, 0, 1]).and_then(|it| device(&it));
        let found = found.map(|dev| ipv4(&dev));
        assert_eq!(found.map(|(_, count)| count), Ok(1));
        let first = found.map(|(all, _)| all.first().copied());
        assert_eq!(first, Ok(Some((0x7f00_0001, 0xff00_0000))));
    }

    #[test]
    fn all_ipv4_addresses_are_walked_over() {
        let found = routed4(BY_DUMMY).and_then(|it| device(&it));
        let found = found.map(|dev| ipv4(&dev));
        assert_eq!(found.map(|(_, count)| count), Ok(ADDRESSES.len()));
        let all = found.map(|(all, _)| all).unwrap_or_default();
        for (address, len) in ADDRESSES {
            let wanted = (u32::from_be_bytes(address), u32::MAX << (32 - len));
            assert!(all.contains(&wanted));
        }
    }

    #[test]
    fn all_ipv6_addresses_are_walked_over() {
        let dev = routed6(BY_DUMMY6).and_then(|it| device(&it));
        let (mut count, mut link_local, mut known) = (0, 0, 0);
        if let Ok(dev) = &dev {
            let guard = rcu::read_lock();
            for ifa in dev.inet6_dev(&guard).iter().flat_map(|it| it.addresses()) {
                let (address, len) = (ifa.address(), ifa.prefix_len());
                let is =
                    |(it, its): &([u8; 16], u32)| In6Addr::from_wire(*it) == address && *its == len;
                known += i32::from(ADDRESSES6.iter().any(is));
                link_local += i32::from(address.is_link_local());
                count += 1;
            }
        }
        assert!(dev.map(drop).is_ok());
        assert_eq!((count, known, link_local), (4, 3, 1));
    }

    #[test]
    fn a_device_that_is_kept_is_counted() {
        let kept = routed4(BY_DUMMY).and_then(|it| Ok((device(&it)?, it)));
        let counts = kept.and_then(|(dev, socket)| {
            let one = references(&dev);
            let other = device(&socket)?;
            let two = references(&dev);
            drop(other);
            Ok((two - one, references(&dev) - one))
        });
        assert_eq!(counts, Ok((1, 0)));
    }
}
