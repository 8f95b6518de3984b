// SPDX-License-Identifier: GPL-2.0

//! The kernel's short names: of a task (`TASK_COMM_LEN`) and of a network device
//! (`IFNAMSIZ`).
//!
//! Logic: pure, against `core` alone.

use core::fmt;

/// Up to 15 bytes, none of them NUL. None at all are only of what the kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label([u8; Self::SIZE]);

impl Label {
    /// The bytes that the kernel keeps, the last one a NUL.
    pub const SIZE: usize = 16;

    /// The name that `text` is, if it can be one.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::SIZE];
        bytes
            .get_mut(..text.len())
            .filter(|room| !room.is_empty() && room.len() < Self::SIZE)?
            .copy_from_slice(text);
        (!text.contains(&0)).then_some(Self(bytes))
    }

    /// The name in a field of the kernel's, where anything may follow the first NUL.
    #[inline]
    pub fn from_field(bytes: [u8; Self::SIZE]) -> Self {
        let all = u128::from_le_bytes(bytes);
        // The upper bit of each byte that is NUL, and perhaps of some behind the first one.
        let ends = all.wrapping_sub(u128::MAX / 255) & !all & (u128::MAX / 255 * 128);
        // The bits below the lowest of these; all of them, if there is none.
        let before = (ends & ends.wrapping_neg()).wrapping_sub(1);
        Self((all & before).to_le_bytes())
    }

    /// A number whose upper bits differ where names do.
    #[inline]
    pub fn hash(&self) -> u64 {
        let all = u128::from_ne_bytes(self.0);
        mix(mix(0, all as u64), (all >> 64) as u64)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        write!(f, "\"{}\"", text.escape_ascii())
    }
}

/// Stirs `word` into `hash`; what comes out differs in its upper bits.
#[inline]
pub fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
