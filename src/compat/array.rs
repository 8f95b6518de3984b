// SPDX-License-Identifier: GPL-2.0

//! Binding: slices of their own, whose making may fail.

use core::hint::unreachable_unchecked;
use core::iter;
use core::marker::PhantomData;
use core::ops::Deref;

use kernel::prelude::*;

pub use kernel::alloc::AllocError;

/// Items whose number does not change.
///
/// It may be dropped where `vfree()` may be called: where sleeping is allowed, and in interrupts.
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

/// A power of two of items, one of which each hash finds by its upper bits.
///
/// It may be dropped where `vfree()` may be called: where sleeping is allowed, and in interrupts.
///
/// # Invariants
///
/// There are `1 << (64 - shift)` items, `shift` being 1 to 63.
pub struct Slots<T> {
    items: Array<T>,
    shift: u32,
}

impl<T> Slots<T> {
    /// `1 << bits` items, made by `item`. There are two at least.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    ///
    /// Context: process context, may sleep.
    pub fn new(bits: u32, item: impl FnMut() -> T) -> Result<Self, AllocError> {
        let bits = bits.clamp(1, u64::BITS - 1);
        let items = Array::new(1 << bits, iter::repeat_with(item))?;
        let shift = u64::BITS - bits;
        // INVARIANT: `repeat_with()` does not end.
        Ok(Self { items, shift })
    }

    /// How many bits of a hash count.
    pub fn bits(&self) -> u32 {
        u64::BITS - self.shift
    }

    /// The items, ready for many look-ups.
    ///
    /// Context: any.
    #[inline]
    pub fn view(&self) -> View<'_, T> {
        if self.shift >= u64::BITS {
            // SAFETY: By the type invariant. The compiler need not see to it at each look-up.
            unsafe { unreachable_unchecked() };
        }
        // INVARIANT: By that of `Self`.
        View {
            first: self.items.as_ptr(),
            shift: self.shift,
            _slots: PhantomData,
        }
    }
}

impl<T> Deref for Slots<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

/// The items of [`Slots`].
///
/// # Invariants
///
/// At `first` there are `1 << (64 - shift)` items for `'a`, `shift` being 1 to 63.
pub struct View<'a, T> {
    first: *const T,
    shift: u32,
    _slots: PhantomData<&'a [T]>,
}

impl<'a, T> View<'a, T> {
    /// The item for `hash`.
    #[inline]
    pub fn of(&self, hash: u64) -> &'a T {
        // SAFETY: By the type invariant the shift is one that there can be, and the item there.
        unsafe { &*self.first.add(hash.wrapping_shr(self.shift) as usize) }
    }
}
