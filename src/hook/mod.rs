// SPDX-License-Identifier: GPL-2.0

//! The creation hook: who asks for a socket, and what becomes of the request.
//!
//! Logic, but for `binding.rs`, which names the kernel's functions. Asks the [`crate::rules`], by
//! means of [`crate::trace`]. Attaching and taking off run in process context and may sleep; the
//! hook itself runs as the task that asks, with preemption off: no sleep, no lock, no allocation.

mod binding;
#[forbid(unsafe_code)]
mod creation;

pub use creation::{
    attach,
    can_attach,
    smc_is_there,
    Hook, //
};
