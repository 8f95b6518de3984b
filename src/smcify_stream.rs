// SPDX-License-Identifier: GPL-2.0

//! smcify_stream: SMC sockets that keep TCP's promises, which smcify gives to programs that asked for
//! TCP.
//!
//! Busy while there are such sockets. It does nothing by itself: nobody asks for them but smcify.

// As in `smcify.rs`.
#![allow(unreachable_pub)]

use kernel::prelude::*;

mod bindings;
// Of these rooms this module has what it needs.
#[allow(dead_code, unused_imports, unused_macros)]
mod compat;
#[allow(dead_code)]
#[forbid(unsafe_code)]
#[path = "rules/policy.rs"]
mod policy;
#[path = "net/socket.rs"]
mod socket;
mod stream;

module! {
    type: SmcifyStream,
    name: "smcify_stream",
    authors: ["The smcify developers"],
    description: "SMC sockets that keep TCP's promises",
    license: "GPL",
}

/// The module, alive from insmod to rmmod.
pub struct SmcifyStream {
    _protocol: stream::Protocol,
}

impl kernel::Module for SmcifyStream {
    /// Registers the protocol.
    ///
    /// # Errors
    ///
    /// Those of [`stream::Protocol::new`].
    ///
    /// Context: process context, may sleep.
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _protocol: stream::Protocol::new()?,
        })
    }
}
