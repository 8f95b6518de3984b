// SPDX-License-Identifier: GPL-2.0
//! Proposals that are wrong in some way.

use crate::scenario::fixes::clc::client::AREA_OFFSET_AT;
use crate::scenario::fixes::clc::client::DECLINE;
use crate::scenario::fixes::clc::client::Devices;
use crate::scenario::fixes::clc::client::HEAD_LEN;
use crate::scenario::fixes::clc::client::LARGEST;
use crate::scenario::fixes::clc::client::LENGTH_AT;
use crate::scenario::fixes::clc::client::Prefixes;
use crate::scenario::fixes::clc::client::Proposal;
use crate::scenario::fixes::clc::client::set_length;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;
use rand_xoshiro::rand_core::SeedableRng;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Values at which parsers go wrong.
const CORNERS: [u8; 10] = [0, 1, 7, 8, 9, 0x20, 0x7f, 0x80, 0xfe, 0xff];
/// The same of two bytes.
const WIDE_CORNERS: [u16; 12] = [0, 1, 7, 8, 39, 40, 41, 0x7f, 0xff, 0x7fff, 0x8000, 0xffff];

/// The same mutations for the same seed.
pub struct Mutator {
    random: Xoshiro256PlusPlus,
    originals: Vec<Vec<u8>>,
}

impl Mutator {
    /// Starts with messages that a listener takes.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            originals: originals(),
        }
    }

    fn mutate(&mut self, message: &mut Vec<u8>) {
        let count_at = AREA_OFFSET_AT + 2 + 7;
        match self.below(10) {
            0 => {
                for _ in 0..1 + self.below(8) {
                    let at = self.below(message.len() * 8);
                    message[at / 8] ^= 1 << (at % 8);
                }
            }
            1 => self.set(message, usize::MAX, 1),
            2 => self.set(message, usize::MAX, 2),
            3 => self.set(message, LENGTH_AT, 2),
            4 => self.set(message, AREA_OFFSET_AT, 2),
            // The number of IPv6 prefixes, with the SMC-D area before it and without.
            5 => self.set(message, count_at, 1),
            6 => self.set(message, count_at + HEAD_LEN, 1),
            // The offset of the V2 extension.
            7 => self.set(message, HEAD_LEN + 10, 2),
            8 => message.truncate(1 + self.below(message.len())),
            _ => {
                let mut more = vec![0; self.below(2 * LARGEST)];
                self.random.fill_bytes(&mut more);
                message.extend(more);
            }
        }
    }

    /// Sets one or two bytes, somewhere if `at` is beyond the end, to a corner or anything.
    fn set(&mut self, message: &mut [u8], at: usize, width: usize) {
        let at = match at < message.len() {
            true => at,
            false => self.below(message.len()),
        };
        let value = match (width, self.below(2)) {
            (1, 0) => u16::from(CORNERS[self.below(CORNERS.len())]) << 8,
            (_, 0) => WIDE_CORNERS[self.below(WIDE_CORNERS.len())],
            _ => self.random.next_u32() as u16,
        };
        for (byte, value) in message[at..]
            .iter_mut()
            .zip(value.to_be_bytes())
            .take(width)
        {
            *byte = value;
        }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random.next_u64() % end.max(1) as u64) as usize
    }
}

impl Iterator for Mutator {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let original = self.below(self.originals.len());
        let mut message = self.originals[original].clone();
        for _ in 0..1 + self.below(3) {
            self.mutate(&mut message);
        }
        // What says its true length gets further.
        if self.below(2) == 0 {
            set_length(&mut message);
        }
        Some(message)
    }
}

/// One Proposal of each shape.
fn originals() -> Vec<Vec<u8>> {
    let v4 = Prefixes::V4(Ipv4Addr::new(10, 97, 1, 0), 24);
    let ours = Ipv6Addr::new(0xfd97, 1, 0, 0, 0, 0, 0, 0);
    let v6 = |count| Prefixes::V6(vec![(ours, 64); count]);
    let v1 = [
        Proposal::v1(Devices::Rdma, v4.clone()),
        Proposal::v1(Devices::Ism, v4.clone()),
        Proposal::v1(Devices::Both, v6(1)),
        Proposal::v1(Devices::Rdma, v6(8)),
    ];
    let mut eid = [b' '; 32];
    eid[..10].copy_from_slice(b"SMCIFY-LAB");
    let v2 = [
        (Devices::Ism, v4.clone(), 1),
        (Devices::Both, v6(8), 8),
        (Devices::Rdma, v4, 0),
    ];
    let v2 = v2.map(|(devices, prefixes, eids)| Proposal {
        v2: Some((devices, vec![eid; eids])),
        ..Proposal::v1(Devices::Both, prefixes)
    });
    v1.iter().chain(&v2).map(Proposal::bytes).collect()
}

/// A Decline, as the first word, that claims to be about a first contact: 6.16.12 then writes
/// to the link group that there is none of yet (`smc_clc_wait_msg()`; 7.2 looks first). It
/// needs no mutation to crash the listener and says nothing of what is tested here.
pub fn is_early_decline(message: &[u8]) -> bool {
    const FIRST_CONTACT: u8 = 1 << 3;
    matches!(message, [_, _, _, _, DECLINE, _, _, flags, ..] if flags & FIRST_CONTACT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_gives_the_same_messages_again() {
        let messages = |seed| Mutator::new(seed).take(1000).collect::<Vec<_>>();
        assert_eq!(messages(1), messages(1));
        assert_ne!(messages(1), messages(2));
        let different: HashSet<_> = messages(1).into_iter().collect();
        assert!(different.len() > 900, "{}", different.len());
    }
}
