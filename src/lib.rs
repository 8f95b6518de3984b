// SPDX-License-Identifier: GPL-2.0

//! The module's pure logic as a library of user space, for host tests.
//!
//! The module's own root is `smcify.rs`.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod clc;
pub mod policy;
pub mod stats;
