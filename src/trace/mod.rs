// SPDX-License-Identifier: GPL-2.0

//! The kernel's own ways into a running function, each a type that is attached while
//! it lives:
//!
//! - [`Rewrite`] changes the arguments of a call;
//! - [`Redirect`] puts another function in a function's place;
//! - [`Hold`] keeps a device for as long as a call of a function lasts;
//! - [`Anchor`] keeps ftrace switched on.

mod anchor;
mod arguments;
mod hold;
mod ops;
mod redirect;
mod rewrite;

pub use crate::compat::symbol::address_of;
pub use anchor::Anchor;
pub use arguments::{
    Arguments,
    Integer, //
};
pub use hold::{
    Held,
    Hold, //
};
pub use redirect::{
    Redirect,
    Replacement, //
};
pub use rewrite::{
    Handler,
    Rewrite,
    Rewritten, //
};
