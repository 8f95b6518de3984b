// SPDX-License-Identifier: GPL-2.0

//! Host: the prefix match, by table and against a naive model.

mod model;

use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};

use model::Device;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use smcify::clc::{MAX_V6_PREFIX, Mismatch, Prefixes};

/// How many inputs a test takes.
const CASES: u32 = 10_000;

/// What is decided on a prefix area; nothing on what is none.
type Decided = Option<Result<(), Mismatch>>;

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

fn decide(wire: &[u8], device: &Device) -> Decided {
    Prefixes::parse(wire).map(|prefixes| prefixes.matches(device))
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
        assert_eq!(decide(&area.wire(), &device()), Some(expected), "{name}");
    }
    let bare = Device::default();
    assert_eq!(
        decide(&v4("192.0.2.0", 24).wire(), &bare),
        Some(Err(Mismatch::NoDevice))
    );
    assert_eq!(
        decide(&v6(&[("2001:db8::", 64)]).wire(), &bare),
        Some(Err(Mismatch::NoDevice))
    );
    assert_eq!(
        decide(
            &Area {
                cut: 1,
                ..v4("192.0.2.0", 24)
            }
            .wire(),
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
    // No device has a prefix of more than 128 bits, but nothing here relies on that.
    let len = prop_oneof![8 => Just(64u32), 4 => 0..=128u32, 1 => 129..=255u32];
    let v6 = (bytes::<16>().prop_map(Ipv6Addr::from), len);
    let options = (
        proptest::option::weighted(0.9, vec(v4, 0..4)),
        proptest::option::weighted(0.9, vec(v6, 0..4)),
    );
    options.prop_map(|(ipv4, ipv6)| Device { ipv4, ipv6 })
}

/// An area, often one that takes an address of `device` for its prefix, or for its last one.
fn areas(device: Device) -> impl Strategy<Value = Area> {
    let own4 = device.ipv4.unwrap_or_default();
    let own6 = device.ipv6.unwrap_or_default();
    let len = prop_oneof![4 => 0..=33u8, 1 => any::<u8>()];
    let subnet = (bytes::<4>(), len, any::<Index>(), any::<bool>());
    let subnet = subnet.prop_map(move |(other, len, at, own)| {
        if own && !own4.is_empty() {
            let (address, mask) = own4[at.index(own4.len())];
            (address, 32 - u32::from(mask).trailing_zeros() as u8)
        } else {
            (other.into(), len)
        }
    });
    let len = prop_oneof![2 => Just(64u8), 1 => any::<u8>()];
    let prefix = (bytes::<16>(), len, any::<Index>(), any::<bool>());
    let late = proptest::bool::weighted(0.2);
    let prefixes = (vec(prefix, 0..11), late).prop_map(move |(all, late)| {
        let last = all.len().saturating_sub(1);
        let prefix = |(number, (other, len, at, own)): (usize, ([u8; 16], u8, Index, bool))| {
            if !own6.is_empty() && if late { number == last } else { own } {
                let (address, len) = own6[at.index(own6.len())];
                (address, len as u8)
            } else {
                (other.into(), len)
            }
        };
        all.into_iter().enumerate().map(prefix).collect()
    });
    let count = prop_oneof![2 => Just(0u8), 4 => 1..10u8, 1 => any::<u8>()];
    let cut = prop_oneof![4 => Just(0usize), 1 => 0..40usize];
    (subnet, count, prefixes, cut).prop_map(|((subnet, prefix_len), count, ipv6, cut)| Area {
        subnet,
        prefix_len,
        count,
        ipv6,
        cut,
    })
}

/// What arrives from a hostile peer: an area with bytes changed, cut off or added anywhere,
/// or noise.
fn hostile(device: Device) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    let cut = proptest::option::weighted(0.3, any::<Index>());
    let bent = (areas(device), changes, cut, vec(any::<u8>(), 0..20));
    let bent = bent.prop_map(|(area, changes, cut, more)| {
        let mut wire = area.wire();
        for (at, byte) in changes {
            if !wire.is_empty() {
                let at = at.index(wire.len());
                wire[at] = byte;
            }
        }
        match cut {
            Some(at) => wire.truncate(at.index(wire.len() + 1)),
            None => wire.extend(more),
        }
        wire
    });
    prop_oneof![4 => bent, 1 => vec(any::<u8>(), 0..300)]
}

/// The IPv6 prefixes that `wire` announces, and those that it holds in full.
fn prefixes(wire: &[u8]) -> (usize, usize) {
    let announced = wire.get(7).copied().unwrap_or_default();
    (announced.into(), wire.len().saturating_sub(8) / 17)
}

/// A prefix that is looked at has a length over 128.
fn over_128(wire: &[u8]) -> bool {
    let (announced, there) = prefixes(wire);
    let looked_at = announced.min(there).min(MAX_V6_PREFIX);
    (0..looked_at).any(|at| wire[8 + at * 17 + 16] > 128)
}

/// What must be among the bytes of a hostile peer for them to be worth a test.
type Kind = (&'static str, fn(&[u8], Decided) -> bool);
const KINDS: [Kind; 12] = [
    ("too short", |wire, _| wire.len() < 8),
    ("more announced than there", |wire, _| {
        prefixes(wire).0 > prefixes(wire).1
    }),
    ("more announced than looked at", |wire, _| {
        prefixes(wire).0 > MAX_V6_PREFIX
    }),
    ("more there than looked at", |wire, _| {
        prefixes(wire).0 > MAX_V6_PREFIX && prefixes(wire).1 > MAX_V6_PREFIX
    }),
    ("cut within a prefix", |wire, _| {
        wire.len() > 8 && prefixes(wire).0 > prefixes(wire).1 && (wire.len() - 8) % 17 != 0
    }),
    ("a length over 128", |wire, _| over_128(wire)),
    ("a length over 32", |wire, _| {
        prefixes(wire).0 == 0 && wire.get(4).is_some_and(|len| *len > 32)
    }),
    ("no device", |_, it| it == Some(Err(Mismatch::NoDevice))),
    ("no entry", |_, it| it == Some(Err(Mismatch::NoEntry))),
    ("a match", |wire, it| {
        it == Some(Ok(())) && prefixes(wire).0 == 0
    }),
    ("an IPv6 match", |wire, it| {
        it == Some(Ok(())) && prefixes(wire).0 > 0
    }),
    (
        "an IPv6 match though more are announced than there",
        |wire, it| it == Some(Ok(())) && prefixes(wire).0 > prefixes(wire).1,
    ),
];

/// Always the same bytes, so that the numbers of each kind are, too. For other bytes there
/// is `fuzz/`.
#[test]
fn hostile_bytes_are_read_as_the_model_reads_them() {
    let seen = [const { Cell::new(0u32) }; KINDS.len()];
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let input = devices().prop_flat_map(|it| (Just(it.clone()), hostile(it)));
    let ran = runner.run(&input, |(device, wire)| {
        let decided = decide(&wire, &device);
        for ((_, is), seen) in KINDS.iter().zip(&seen) {
            seen.set(seen.get() + u32::from(is(&wire, decided)));
        }
        prop_assert_eq!(decided, model::decide(&wire, &device));
        Ok(())
    });
    ran.unwrap_or_else(|failed| panic!("{failed}"));
    for ((kind, _), seen) in KINDS.iter().zip(&seen) {
        assert!(
            seen.get() >= CASES / 200,
            "{kind}: only {seen:?} of {CASES}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn decides_as_the_model((device, area) in devices().prop_flat_map(|it| (Just(it.clone()), areas(it)))) {
        prop_assert_eq!(decide(&area.wire(), &device), model::decide(&area.wire(), &device));
    }
}
