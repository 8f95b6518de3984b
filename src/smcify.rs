// SPDX-License-Identifier: GPL-2.0

//! smcify: programs that ask for TCP are given SMC sockets, by the protocol that
//! the kernel allocates them with.
//!
//! Logic: no `unsafe` here. The way of a call is drawn in `docs/architecture.md`.

#![deny(missing_docs)]

use kernel::configfs;
use kernel::prelude::*;

mod bindings;
#[forbid(unsafe_code)]
pub mod clc;
#[forbid(unsafe_code)]
pub mod control;
#[forbid(unsafe_code)]
pub mod fixes;
#[forbid(unsafe_code)]
pub mod hook;
pub mod net;
#[forbid(unsafe_code)]
pub mod policy;
#[forbid(unsafe_code)]
pub mod prefix_match;
#[forbid(unsafe_code)]
pub mod stats;
pub mod trace;

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
struct Smcify {
    #[pin]
    control: configfs::Subsystem<Control>,
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
        })
    }
}
