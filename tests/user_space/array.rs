// SPDX-License-Identifier: GPL-2.0

//! What `src/array.rs` offers, for host tests.

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
