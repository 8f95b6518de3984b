// SPDX-License-Identifier: GPL-2.0

//! smcify: programs that ask for TCP are given SMC sockets, by the protocol that
//! the kernel allocates them with.
//!
//! Logic: no `unsafe` here. The way of a call is drawn in `docs/architecture.md`.

// Nothing leaves the module, so that what is not used is not in it; `pub` says what a file
// offers to the others. That it is documented is checked in `kunit/`, where they are public.
#![allow(unreachable_pub)]

use kernel::configfs;
use kernel::prelude::*;

// From the lowest to the topmost: a room uses those above it in this list (`make lint`).
mod bindings;
mod compat;
#[forbid(unsafe_code)]
mod control;
mod fixes;
#[forbid(unsafe_code)]
mod handshake;
mod hook;
mod net;
#[forbid(unsafe_code)]
mod rules;
mod trace;

use compat::rcu::Callbacks;
use control::Control;

module! {
    type: Smcify,
    name: "smcify",
    authors: ["The smcify developers"],
    description: "Gives programs that ask for TCP an SMC socket",
    license: "GPL",
}

/// The module, alive from insmod to rmmod.
#[pin_data]
pub struct Smcify {
    #[pin]
    control: configfs::Subsystem<Control>,
    /// Dropped last.
    callbacks: Callbacks,
}

impl kernel::InPlaceModule for Smcify {
    /// Loads the module: idle, with everything that could fail later tried once.
    ///
    /// # Errors
    ///
    /// - `EPROTONOSUPPORT`: the kernel has no `IPPROTO_SMC`.
    /// - `ENOENT`: a function to be hooked is absent.
    /// - `EOPNOTSUPP`: ftrace is switched off.
    ///
    /// Context: process context, may sleep.
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let ready = hook::smc_is_there().and_then(|()| hook::can_attach());
        try_pin_init!(Self {
            control <- ready.map(|()| control::subsystem())?,
            callbacks: Callbacks,
        })
    }
}
