// SPDX-License-Identifier: GPL-2.0

//! E0477: a handler that borrows: who forgets the attachment has ftrace call it after the borrow
//! has ended.
//!
//! Right: a handler that owns what it uses.

#![forbid(unsafe_code)]

use kernel::prelude::*;
use smcify::trace::{
    Arguments,
    Handler, //
};

#[cfg(wrong)]
pub struct Counts<'a>(pub &'a [u8]);

#[cfg(wrong)]
impl Handler<()> for Counts<'_> {
    fn call(&self, _arguments: Arguments<'_, ()>) {}
}

#[cfg(not(wrong))]
pub struct Counts(pub KVec<u8>);

#[cfg(not(wrong))]
impl Handler<()> for Counts {
    fn call(&self, _arguments: Arguments<'_, ()>) {}
}
