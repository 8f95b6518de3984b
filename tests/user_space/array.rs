// SPDX-License-Identifier: GPL-2.0

//! What `src/compat/array.rs` offers, for host tests.

use std::iter;
use std::ops::Deref;

/// There is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

/// Items whose number does not change.
pub struct Array<T>(Box<[T]>);

impl<T> Array<T> {
    /// An array of `items`, of which there are `len`, or as many as come first.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn new(len: usize, items: impl Iterator<Item = T>) -> Result<Self, AllocError> {
        Ok(Self(items.take(len).collect()))
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

/// A power of two of items, one of which each hash finds by its upper bits.
pub struct Slots<T> {
    items: Array<T>,
    bits: u32,
}

impl<T> Slots<T> {
    /// `1 << bits` items, made by `item`. There are two at least.
    ///
    /// # Errors
    ///
    /// None here.
    pub fn new(bits: u32, item: impl FnMut() -> T) -> Result<Self, AllocError> {
        let bits = bits.clamp(1, u64::BITS - 1);
        let items = Array::new(1 << bits, iter::repeat_with(item))?;
        Ok(Self { items, bits })
    }

    /// How many bits of a hash count.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The items, ready for many look-ups.
    pub fn view(&self) -> View<'_, T> {
        View(self)
    }
}

impl<T> Deref for Slots<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

/// The items of [`Slots`].
pub struct View<'a, T>(&'a Slots<T>);

impl<'a, T> View<'a, T> {
    /// The item for `hash`.
    pub fn of(&self, hash: u64) -> &'a T {
        &self.0.items[(hash >> (u64::BITS - self.0.bits)) as usize]
    }
}
