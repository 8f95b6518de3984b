// SPDX-License-Identifier: GPL-2.0

//! E0310: a handler of what may be borrowed: who forgets the attachment has ftrace call it after
//! the borrow has ended.
//!
//! Right: one of what lives for as long as it is wanted.

#![forbid(unsafe_code)]

use smcify::trace::{
    Arguments,
    Handler, //
};

pub struct Looks<T>(pub T);

#[cfg(wrong)]
impl<T: Send + Sync> Handler<()> for Looks<T> {
    fn call(&self, _arguments: Arguments<'_, ()>) {}
}

#[cfg(not(wrong))]
impl<T: Send + Sync + 'static> Handler<()> for Looks<T> {
    fn call(&self, _arguments: Arguments<'_, ()>) {}
}
