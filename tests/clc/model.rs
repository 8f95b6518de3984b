// SPDX-License-Identifier: GPL-2.0

//! Host: a naive model of the prefix match, for the tests here and for `fuzz/`.

use std::net::{Ipv4Addr, Ipv6Addr};

use smcify::clc::{Addresses, Be32, Ifaddr4, Ifaddr6, In6Addr, Mismatch};

/// A device as a test has it: addresses and masks, addresses and prefix lengths.
#[derive(Clone, Debug, Default)]
pub struct Device {
    pub ipv4: Option<Vec<(Ipv4Addr, Ipv4Addr)>>,
    pub ipv6: Option<Vec<(Ipv6Addr, u32)>>,
}

impl Addresses for Device {
    fn ipv4(&self) -> Option<impl Iterator<Item = Ifaddr4>> {
        let of = |(address, mask): &(Ipv4Addr, Ipv4Addr)| Ifaddr4 {
            address: Be32::from_wire(address.octets()),
            mask: Be32::from_wire(mask.octets()),
        };
        self.ipv4.as_ref().map(|all| all.iter().map(of))
    }

    fn ipv6(&self) -> Option<impl Iterator<Item = Ifaddr6>> {
        let of = |(address, prefix_len): &(Ipv6Addr, u32)| Ifaddr6 {
            address: In6Addr::from_wire(address.octets()),
            prefix_len: *prefix_len,
        };
        self.ipv6.as_ref().map(|all| all.iter().map(of))
    }
}

/// The bits of a number, most significant first.
fn bits(bytes: &[u8]) -> Vec<bool> {
    let of = |byte: &u8| {
        (0..8)
            .rev()
            .map(|at| byte >> at & 1 == 1)
            .collect::<Vec<_>>()
    };
    bytes.iter().flat_map(of).collect()
}

/// The decision on the prefix area `area` as the C source describes it, bit by bit; `None`
/// if it is too short to be one.
pub fn decide(area: &[u8], device: &Device) -> Option<Result<(), Mismatch>> {
    if area.len() < 8 {
        return None;
    }
    let no_entry = |found: bool| {
        if found {
            Ok(())
        } else {
            Err(Mismatch::NoEntry)
        }
    };
    if area[7] == 0 {
        let Some(addresses) = &device.ipv4 else {
            return Some(Err(Mismatch::NoDevice));
        };
        return Some(no_entry(addresses.iter().any(|(address, mask)| {
            let mask = bits(&mask.octets());
            let mask_len = mask.iter().rposition(|bit| *bit).map_or(0, |last| last + 1);
            let pairs = bits(&area[..4]).into_iter().zip(bits(&address.octets()));
            let equal = pairs.zip(mask).all(|((a, b), counts)| !counts || a == b);
            usize::from(area[4]) == mask_len && equal
        })));
    }
    let Some(addresses) = &device.ipv6 else {
        return Some(Err(Mismatch::NoDevice));
    };
    let there = (area.len() - 8) / 17;
    let count = there.min(area[7].into()).min(8);
    let prefixes: Vec<_> = (0..count).map(|at| &area[8 + at * 17..][..17]).collect();
    Some(no_entry(addresses.iter().any(|(address, len)| {
        let scope2 = address.octets()[0] == 0xff && address.octets()[1] & 15 == 2;
        let link_local = scope2 || address.is_unicast_link_local();
        !link_local
            && prefixes.iter().any(|prefix| {
                let len = *len as usize;
                let (a, b) = (bits(&prefix[..16]), bits(&address.octets()));
                usize::from(prefix[16]) == len && a[..len.min(128)] == b[..len.min(128)]
            })
    })))
}
