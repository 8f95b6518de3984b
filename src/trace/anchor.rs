// SPDX-License-Identifier: GPL-2.0

//! Binding: keep ftrace switched on, `FTRACE_OPS_FL_PERMANENT`.
//!
//! For what is attached by way of ftrace but cannot say itself that it must stay: an fprobe
//! would be there, and see no calls.
//!
//! C header: `include/linux/ftrace.h`.

use core::ptr;

use kernel::prelude::*;

use super::ops::{
    off,
    Registered, //
};
use crate::bindings;

/// While it lives, `kernel.ftrace_enabled` cannot be set to 0.
#[pin_data]
pub struct Anchor {
    #[pin]
    _registered: Registered,
}

impl Anchor {
    /// At `function`, whose calls it does nothing to.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the function is absent, or ftrace cannot reach it.
    /// - `EOPNOTSUPP`: ftrace is switched off, or has shut itself down; the log says so.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new(function: &'static str) -> impl PinInit<Self, Error> {
        let (names, private) = ([function].into_iter(), ptr::null_mut());
        try_pin_init!(Self {
            // SAFETY: The callback needs nothing.
            _registered <- unsafe { Registered::new(Self::callback, private, 0, names, off) },
        })
    }

    /// The function that ftrace calls. It does nothing.
    ///
    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn callback(
        _ip: c_ulong,
        _parent_ip: c_ulong,
        _ops: *mut bindings::ftrace_ops,
        _regs: *mut bindings::ftrace_regs,
    ) {
    }
}
