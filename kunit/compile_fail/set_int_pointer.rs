// SPDX-License-Identifier: GPL-2.0

//! E0277: a number put in the place of an argument that is not said to be an integer: it may be a
//! pointer.
//!
//! Right: in the place of one that is.

#![forbid(unsafe_code)]

use smcify::trace::{
    Arguments,
    Integer, //
};

pub fn set<A: Integer<1>>(mut arguments: Arguments<'_, A>) {
    #[cfg(wrong)]
    arguments.set_int::<0>(4);
    arguments.set_int::<1>(4);
}
