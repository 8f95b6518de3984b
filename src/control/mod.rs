// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/smcify/`, and what is attached to the kernel while it says so.
//!
//! Logic: the topmost room, it may use all others. Every method runs in process context, several
//! at once, and may sleep.

mod attribute;
mod directory;
mod switch;
mod top;

pub use top::{
    subsystem,
    Control, //
};
