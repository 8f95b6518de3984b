// SPDX-License-Identifier: GPL-2.0

//! Fuzz target: a peer sends any bytes for the prefix area of its Proposal, to any device.
//! No panic, no read outside the bytes, and the model's decision.

#![no_main]

#[path = "../tests/clc/model.rs"]
mod model;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::Device;
use smcify::clc::Prefixes;

/// A device's addresses, and what arrives.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    ipv4: Option<Vec<(Address<4>, [u8; 4])>>,
    ipv6: Option<Vec<(Address<16>, u8)>>,
    area: &'a [u8],
}

/// An address, perhaps one that the peer names: else none would ever match.
#[derive(Arbitrary, Debug)]
enum Address<const N: usize> {
    Any([u8; N]),
    /// From which byte on, and how it differs.
    OfPeer(u8, Option<(u8, u8)>),
}

impl<const N: usize> Address<N> {
    fn bytes(&self, area: &[u8]) -> [u8; N] {
        match *self {
            Address::Any(bytes) => bytes,
            Address::OfPeer(at, change) => {
                let mut bytes = [0; N];
                let there = area.iter().skip(at.into());
                bytes
                    .iter_mut()
                    .zip(there)
                    .for_each(|(to, from)| *to = *from);
                if let Some((at, bits)) = change {
                    bytes[usize::from(at) % N] ^= bits;
                }
                bytes
            }
        }
    }
}

impl Input<'_> {
    fn device(&self) -> Device {
        let ipv4 = |all: &Vec<(Address<4>, [u8; 4])>| {
            let one = |(address, mask): &(Address<4>, [u8; 4])| {
                (address.bytes(self.area).into(), (*mask).into())
            };
            all.iter().map(one).collect()
        };
        let ipv6 = |all: &Vec<(Address<16>, u8)>| {
            let one = |(address, len): &(Address<16>, u8)| {
                (address.bytes(self.area).into(), u32::from(*len))
            };
            all.iter().map(one).collect()
        };
        Device {
            ipv4: self.ipv4.as_ref().map(ipv4),
            ipv6: self.ipv6.as_ref().map(ipv6),
        }
    }
}

fuzz_target!(|input: Input| {
    let device = input.device();
    // Bytes of its own: a read past their end is one that the sanitizer sees.
    let area: Box<[u8]> = input.area.into();
    let decided = Prefixes::parse(&area).map(|prefixes| prefixes.matches(&device));
    assert_eq!(decided, model::decide(&area, &device));
});
