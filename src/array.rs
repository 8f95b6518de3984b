// SPDX-License-Identifier: GPL-2.0

//! A slice of its own, whose making may fail.
//!
//! Logic.

use core::ops::Deref;

use kernel::prelude::*;

pub use kernel::alloc::AllocError;

/// Items whose number does not change.
///
/// It may be dropped in any context.
pub struct Array<T>(KVVec<T>);

impl<T> Array<T> {
    /// An array of `items`, of which there are `len`, or as many as come first.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    ///
    /// Context: process context, may sleep.
    pub fn new(len: usize, items: impl Iterator<Item = T>) -> Result<Self, AllocError> {
        let mut array = KVVec::with_capacity(len, GFP_KERNEL)?;
        for item in items.take(len) {
            array.push(item, GFP_KERNEL)?;
        }
        Ok(Self(array))
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
