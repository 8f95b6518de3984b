// SPDX-License-Identifier: GPL-2.0

//! KUnit: the prefix match against the kernel's own, on real devices with real addresses.

use kernel::prelude::*;

use crate::calls::sock;
use crate::fixes::binding::{
    Area,
    PrfxMatch, //
};
use crate::fixes::prefix_match::prefix_match;
use crate::net::clc::Prefixes;
use crate::net::Socket;
use crate::net_test::{
    routed4,
    routed6,
    ADDRESSES,
    ADDRESSES6,
    BY_DUMMY,
    BY_DUMMY6, //
};

/// Proposals on each socket.
const PROPOSALS: u32 = 20_000;

/// Numbers that look random and are always the same: `xorshift32`.
pub(crate) struct Random(u32);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }

    /// One of these.
    fn one<T: Copy + Default>(&mut self, of: &[T]) -> T {
        let at = self.below(of.len() as u32) as usize;
        of.get(at).copied().unwrap_or_default()
    }

    /// Now and then another length.
    fn length(&mut self, len: u32) -> u8 {
        match self.below(4) {
            0 => self.below(256) as u8,
            1 => (len as u8).wrapping_sub(1),
            _ => len as u8,
        }
    }

    /// Now and then with one bit the other way.
    fn flip<const N: usize>(&mut self, mut bytes: [u8; N]) -> [u8; N] {
        if self.below(2) == 0 {
            let bit = self.below(8 * N as u32);
            if let Some(byte) = bytes.get_mut(bit as usize / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        bytes
    }

    /// A prefix area near to what the device has.
    fn area(&mut self) -> Area {
        let mut area = Area([0; Prefixes::MAX_SIZE]);
        let (address, len) = self.one(&ADDRESSES);
        let counts = [0, 0, 0, 1, 2, 8, 9, 255];
        let fixed = [0, 0, 0, 0, self.length(len), 0, 0, self.one(&counts)];
        let (head, rest) = area.0.split_at_mut(fixed.len());
        head.copy_from_slice(&fixed);
        let (subnet, _) = head.split_at_mut(4);
        subnet.copy_from_slice(&self.flip(address));
        for prefix in rest.chunks_exact_mut(17) {
            let link_local = ([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 64);
            let (address, len) = match self.below(8) {
                0 => link_local,
                1 => ([0; 16], 0),
                _ => self.one(&ADDRESSES6),
            };
            let (place, last) = prefix.split_at_mut(16);
            place.copy_from_slice(&self.flip(address));
            last.fill(self.length(len));
        }
        area
    }
}

/// What both answer to the same proposals.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answers {
    /// Proposals that match.
    pub matched: u32,
    /// Proposals to which the answers differ.
    pub differ: u32,
}

/// Asks `kernels` and the Rust one.
pub(crate) fn compare(kernels: PrfxMatch, socket: &Socket) -> Answers {
    let (mut random, mut answers) = (Random(2_463_534_242), Answers::default());
    for _ in 0..PROPOSALS {
        let area = random.area();
        let rust = match prefix_match(sock(socket), &area.0) {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        };
        answers.differ += u32::from(kernels.call(socket, &area) != rust);
        answers.matched += u32::from(rust == 0);
    }
    answers
}

#[kunit_tests(smcify_prefix_match)]
mod tests {
    use super::*;

    #[test]
    fn on_a_device_with_many_addresses() {
        let answers = PrfxMatch::find().and_then(|kernels| {
            Ok((
                compare(kernels, &routed4(BY_DUMMY)?),
                compare(kernels, &routed6(BY_DUMMY6)?),
            ))
        });
        let Ok((by4, by6)) = answers else {
            assert!(answers.is_ok());
            return;
        };
        assert_eq!((by4.differ, by6.differ), (0, 0));
        // Both answers are common.
        assert!(by4.matched > PROPOSALS / 20 && by4.matched < PROPOSALS / 20 * 19);
        assert_eq!(by4, by6);
    }

    #[test]
    fn on_the_loopback_device() {
        let answers =
            PrfxMatch::find().and_then(|kernels| Ok(compare(kernels, &routed4([127, 0, 0, 1])?)));
        assert_eq!(answers.map(|it| it.differ), Ok(0));
    }

    #[test]
    fn the_loopback_devices_own_subnet() {
        let answers = PrfxMatch::find().and_then(|kernels| {
            let mut area = Area([0; Prefixes::MAX_SIZE]);
            let (head, _) = area.0.split_at_mut(8);
            head.copy_from_slice(&[127, 9, 9, 9, 8, 0, 0, 0]);
            let socket = routed4([127, 0, 0, 1])?;
            Ok((
                kernels.call(&socket, &area),
                prefix_match(sock(&socket), &area.0),
            ))
        });
        assert_eq!(answers, Ok((0, Ok(()))));
    }

    #[test]
    fn without_a_route_it_is_enodev() {
        let socket = Socket::create_kern(2, 1, 6);
        let answer = socket.and_then(|it| prefix_match(sock(&it), &[0; Prefixes::MAX_SIZE]));
        assert_eq!(answer, Err(ENODEV));
    }

    #[test]
    fn too_short_an_area_is_einval() {
        let answer = routed4([127, 0, 0, 1]).and_then(|it| prefix_match(sock(&it), &[0; 7]));
        assert_eq!(answer, Err(EINVAL));
    }
}
