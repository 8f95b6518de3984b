// SPDX-License-Identifier: GPL-2.0

//! The live fixes: what smcify changes in a kernel that has the bugs it is about.
//!
//! Logic, but for `binding.rs`, which is what the kernel calls instead of `smc.ko`'s functions.
//! Uses [`crate::net`] for sockets and devices and [`crate::trace`] to get in. Switching runs in
//! process context and may sleep; what is put in place runs as the function's callers do.

pub mod binding;
#[forbid(unsafe_code)]
mod fix;
#[forbid(unsafe_code)]
pub mod prefix_match;

pub use fix::Fixes;
