// SPDX-License-Identifier: GPL-2.0

//! The module's pure logic as a library of user space, for host tests.
//!
//! What it needs of the kernel, memory and RCU, is here what the standard library has.
//!
//! The module's own root is `smcify.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[path = "net/clc.rs"]
pub mod clc;
pub mod rules;

/// What the rules need of the kernel.
pub mod compat {
    #[path = "../../tests/user_space/array.rs"]
    pub mod array;
    pub mod label;
    #[path = "../../tests/user_space/rcu.rs"]
    pub mod rcu;
}
