// SPDX-License-Identifier: GPL-2.0

//! The rules: what they are called, where they are kept and found, what they decide and count.
//!
//! Logic: pure, against `core` and the two files of [`crate::compat`] that host tests have their
//! own of, so that the same room is compiled into the module, its KUnit suites and the host tests.
//! Readers run in any context, take no lock and do not sleep; writers run in process context, may
//! sleep, and exclude each other by a lock of the caller's.

pub mod name;
pub mod policy;
mod rule;
pub mod selector;
pub mod stats;
pub mod table;

pub use rule::{
    Rule,
    Rules,
    Task, //
};
