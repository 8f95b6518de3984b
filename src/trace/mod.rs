// SPDX-License-Identifier: GPL-2.0

//! The kernel's own ways into a running function, each a type that is attached while
//! it lives.

mod arguments;
mod rewrite;
mod symbol;

pub use arguments::Arguments;
pub use rewrite::{
    Handler,
    Rewrite, //
};
