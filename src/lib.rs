// SPDX-License-Identifier: GPL-2.0

//! The module's pure logic as a library of user space, for host tests.
//!
//! What it needs of the kernel, memory and RCU, is here what the standard library has.
//!
//! The module's own root is `smcify.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[path = "../tests/user_space/array.rs"]
pub mod array;
pub mod clc;
pub mod label;
pub mod name;
pub mod policy;
#[path = "../tests/user_space/rcu.rs"]
pub mod rcu;
pub mod rules;
pub mod selector;
pub mod stats;
pub mod table;
