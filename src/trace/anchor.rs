// SPDX-License-Identifier: GPL-2.0

//! Binding: keep ftrace switched on, `FTRACE_OPS_FL_PERMANENT`.
//!
//! For what is attached by way of ftrace but cannot say itself that it must stay: an fprobe
//! would be there, and see no calls.
//!
//! C header: `include/linux/ftrace.h`.

use core::ptr;

use kernel::prelude::*;
use kernel::types::Opaque;

use super::ops;
use crate::bindings;

/// While it lives, `kernel.ftrace_enabled` cannot be set to 0.
///
/// # Invariants
///
/// `ops` is registered.
#[pin_data(PinnedDrop)]
pub struct Anchor {
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
}

// SAFETY: Any thread may end a registration.
unsafe impl Send for Anchor {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Anchor {}

impl Anchor {
    /// At `function`, whose calls it does nothing to.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the function is absent, or ftrace cannot reach it.
    /// - `EOPNOTSUPP`: ftrace is switched off, or has shut itself down.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new(function: &'static str) -> impl PinInit<Self, Error> {
        // INVARIANT: `ops::register` leaves `ops` registered.
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(move |ops: *mut bindings::ftrace_ops| {
                let names = [function].into_iter();
                // SAFETY: `ops` is valid for writes and pinned, and `drop` unregisters it. The
                // callback needs nothing.
                unsafe { ops::register(ops, Self::callback, ptr::null_mut(), 0, names) }
                    .map_err(ops::off)
            }),
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

#[pinned_drop]
impl PinnedDrop for Anchor {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant `ops` is registered.
        unsafe { ops::unregister(self.ops.get()) };
    }
}
