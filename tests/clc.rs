// SPDX-License-Identifier: GPL-2.0

//! Host: the prefix match, by table and against a naive model.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use smcify::clc::{Addresses, Be32, Ifaddr4, Ifaddr6, In6Addr, MAX_V6_PREFIX, Mismatch, Prefixes};

/// A device as a test has it: addresses and masks, addresses and prefix lengths.
#[derive(Clone, Debug, Default)]
struct Device {
    ipv4: Option<Vec<(Ipv4Addr, Ipv4Addr)>>,
    ipv6: Option<Vec<(Ipv6Addr, u32)>>,
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

/// A prefix area as a peer sends it.
#[derive(Clone, Debug)]
struct Area {
    subnet: Ipv4Addr,
    prefix_len: u8,
    /// What the peer says, not necessarily what follows.
    count: u8,
    ipv6: Vec<(Ipv6Addr, u8)>,
    /// Bytes missing at the end.
    cut: usize,
}

impl Area {
    fn wire(&self) -> Vec<u8> {
        let mut wire = self.subnet.octets().to_vec();
        wire.extend([self.prefix_len, 0xaa, 0xbb, self.count]);
        for (prefix, len) in &self.ipv6 {
            wire.extend(prefix.octets());
            wire.push(*len);
        }
        wire.truncate(wire.len() - self.cut.min(wire.len()));
        wire
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

/// The decision as the C source describes it, bit by bit.
fn model(area: &[u8], device: &Device) -> Option<Result<(), Mismatch>> {
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

fn decide(area: &Area, device: &Device) -> Option<Result<(), Mismatch>> {
    Prefixes::parse(&area.wire()).map(|prefixes| prefixes.matches(device))
}

fn v4(subnet: &str, prefix_len: u8) -> Area {
    let subnet = subnet.parse().expect("a literal of this file");
    Area {
        subnet,
        prefix_len,
        count: 0,
        ipv6: vec![],
        cut: 0,
    }
}

fn v6(prefixes: &[(&str, u8)]) -> Area {
    let parsed = |(text, len): &(&str, u8)| (text.parse().expect("a literal of this file"), *len);
    let ipv6: Vec<_> = prefixes.iter().map(parsed).collect();
    Area {
        count: ipv6.len() as u8,
        ipv6,
        ..v4("0.0.0.0", 0)
    }
}

fn device() -> Device {
    let v4 = [
        ("192.0.2.7", "255.255.255.0"),
        ("198.51.100.9", "255.255.255.255"),
    ];
    let v6 = [("fe80::7", 64), ("2001:db8::7", 64), ("2001:db8:1::9", 128)];
    Device {
        ipv4: Some(
            v4.map(|(a, m)| (a.parse().unwrap(), m.parse().unwrap()))
                .to_vec(),
        ),
        ipv6: Some(v6.map(|(a, len)| (a.parse().unwrap(), len)).to_vec()),
    }
}

#[test]
fn table() {
    const YES: Result<(), Mismatch> = Ok(());
    const NO: Result<(), Mismatch> = Err(Mismatch::NoEntry);
    let cases = [
        ("the subnet", v4("192.0.2.0", 24), YES),
        (
            "bits beyond the length do not count",
            v4("192.0.2.255", 24),
            YES,
        ),
        ("another length", v4("192.0.2.0", 25), NO),
        ("another subnet", v4("192.0.3.0", 24), NO),
        ("a host route", v4("198.51.100.9", 32), YES),
        ("a length over 32", v4("198.51.100.9", 200), NO),
        ("the IPv6 subnet", v6(&[("2001:db8::", 64)]), YES),
        (
            "the second of two",
            v6(&[("2001:db8:9::", 64), ("2001:db8::", 64)]),
            YES,
        ),
        ("all 128 bits", v6(&[("2001:db8:1::9", 128)]), YES),
        ("but the last of 128", v6(&[("2001:db8:1::8", 128)]), NO),
        ("a length over 128", v6(&[("2001:db8:1::9", 129)]), NO),
        ("link-local never", v6(&[("fe80::", 64)]), NO),
        (
            "eight are looked at",
            v6(&[[("2001:db8:9::", 64); 7].as_slice(), &[("2001:db8::", 64)]].concat()),
            YES,
        ),
        (
            "a ninth is not",
            v6(&[[("2001:db8:9::", 64); 8].as_slice(), &[("2001:db8::", 64)]].concat()),
            NO,
        ),
        (
            "announced, not there",
            Area {
                count: 255,
                ..v6(&[])
            },
            NO,
        ),
        (
            "cut in the middle",
            Area {
                cut: 1,
                ..v6(&[("2001:db8::", 64)])
            },
            NO,
        ),
    ];
    for (name, area, expected) in cases {
        assert_eq!(decide(&area, &device()), Some(expected), "{name}");
    }
    let bare = Device::default();
    assert_eq!(
        decide(&v4("192.0.2.0", 24), &bare),
        Some(Err(Mismatch::NoDevice))
    );
    assert_eq!(
        decide(&v6(&[("2001:db8::", 64)]), &bare),
        Some(Err(Mismatch::NoDevice))
    );
    assert_eq!(
        decide(
            &Area {
                cut: 1,
                ..v4("192.0.2.0", 24)
            },
            &device()
        ),
        None
    );
}

#[test]
fn an_area_of_the_largest_size_holds_all_that_is_read() {
    assert_eq!(Prefixes::MAX_SIZE, 8 + 17 * MAX_V6_PREFIX);
}

/// Addresses that often share bits: a few bytes from a small alphabet.
fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    let byte = prop_oneof![4 => Just(0u8), 1 => Just(0xfe), 1 => Just(0xff), 1 => Just(0x80), 1 => any::<u8>()];
    vec(byte, N).prop_map(|bytes| bytes.try_into().expect("N bytes were asked for"))
}

fn masks() -> impl Strategy<Value = Ipv4Addr> {
    let proper = (0..=32u32).prop_map(|len| u32::MAX.checked_shl(32 - len).unwrap_or(0));
    prop_oneof![4 => proper, 1 => any::<u32>()].prop_map(Ipv4Addr::from)
}

fn devices() -> impl Strategy<Value = Device> {
    let v4 = (bytes::<4>().prop_map(Ipv4Addr::from), masks());
    let len = prop_oneof![4 => Just(64u32), 2 => 0..=128u32];
    let v6 = (bytes::<16>().prop_map(Ipv6Addr::from), len);
    let options = (
        proptest::option::weighted(0.9, vec(v4, 0..4)),
        proptest::option::weighted(0.9, vec(v6, 0..4)),
    );
    options.prop_map(|(ipv4, ipv6)| Device { ipv4, ipv6 })
}

/// An area, often one that takes an address of `device` for its prefix.
fn areas(device: Device) -> impl Strategy<Value = Area> {
    let own4: Vec<_> = device
        .ipv4
        .unwrap_or_default()
        .iter()
        .map(|(address, _)| *address)
        .collect();
    let own6 = device.ipv6.unwrap_or_default();
    let subnet = (bytes::<4>(), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        move |(other, at, own)| {
            if own && !own4.is_empty() {
                own4[at.index(own4.len())]
            } else {
                other.into()
            }
        },
    );
    let len = prop_oneof![4 => 0..=33u8, 1 => any::<u8>()];
    let prefix = (
        bytes::<16>(),
        prop_oneof![2 => Just(64u8), 1 => any::<u8>()],
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let prefix = prefix.prop_map(move |(other, len, at, own)| {
        if own && !own6.is_empty() {
            let (address, len) = own6[at.index(own6.len())];
            (address, len as u8)
        } else {
            (other.into(), len)
        }
    });
    let count = prop_oneof![2 => Just(0u8), 4 => 1..10u8, 1 => any::<u8>()];
    let cut = prop_oneof![4 => Just(0usize), 1 => 0..40usize];
    (subnet, len, count, vec(prefix, 0..11), cut).prop_map(
        |(subnet, prefix_len, count, ipv6, cut)| Area {
            subnet,
            prefix_len,
            count,
            ipv6,
            cut,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn decides_as_the_model((device, area) in devices().prop_flat_map(|it| (Just(it.clone()), areas(it)))) {
        prop_assert_eq!(decide(&area, &device), model(&area.wire(), &device));
    }

    #[test]
    fn raw_bytes_are_read_within_bounds(wire in vec(any::<u8>(), 0..300), device in devices()) {
        let decided = Prefixes::parse(&wire).map(|prefixes| prefixes.matches(&device));
        prop_assert_eq!(decided, model(&wire, &device));
    }
}
