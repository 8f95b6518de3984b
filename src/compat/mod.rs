// SPDX-License-Identifier: GPL-2.0

//! What the kernel's Rust crate lacks: RCU pointers, slices whose making may fail, the current
//! task, where a function is, rate-limited lines in the log; and in `version.rs` what it has elsewhere from one version
//! to the next.
//!
//! Bindings, each on its own; the room knows no other but [`crate::bindings`]. It would be called
//! `kernel`, were that not the crate's name. Context: each item's own. Host tests have their own
//! `rcu` and `array` (`tests/user_space/`).

pub mod array;
#[forbid(unsafe_code)]
pub mod label;
#[cfg_attr(
    not(CONFIG_SMC_HS_CTRL_BPF),
    allow(dead_code, unused_imports, unused_macros)
)]
pub mod log;
pub mod netns;
pub mod rcu;
pub mod symbol;
pub mod task;
#[forbid(unsafe_code)]
#[allow(dead_code)]
pub mod version;
