// SPDX-License-Identifier: GPL-2.0

//! Binding: change the arguments of a function's calls, `struct ftrace_ops`.
//!
//! Without `FTRACE_OPS_FL_IPMODIFY`, so it shares a function with livepatches and BPF
//! programs. Without a trace on any stack: the callback has returned before the
//! function begins, so no task can be left inside module code once
//! `unregister_ftrace_function()` has waited for the callbacks under way.
//!
//! C header: `include/linux/ftrace.h`.

use core::ptr;

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

use super::symbol;
use super::Arguments;
use crate::bindings;

/// What is done to each call.
pub trait Handler: Send + Sync {
    /// Reads and sets the arguments of one call.
    ///
    /// Context: that of the traced function's caller, with preemption possibly off:
    /// must not sleep, nor call a function that is traced by the same [`Rewrite`].
    fn call(&self, arguments: &mut Arguments<'_>);
}

/// Functions whose calls go through a [`Handler`] first, from the end of the
/// initialisation until the value is dropped.
///
/// # Invariants
///
/// `ops` is registered, and its `private` points to `handler`.
#[pin_data(PinnedDrop)]
pub struct Rewrite<H: Handler> {
    handler: H,
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
}

// SAFETY: Any thread may end a registration, and `H` may be sent to it.
unsafe impl<H: Handler> Send for Rewrite<H> {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<H: Handler> Sync for Rewrite<H> {}

impl<H: Handler> Rewrite<H> {
    /// Attaches `handler` to the kernel functions of these names.
    ///
    /// Registered as permanent: while it lives, `kernel.ftrace_enabled` cannot be set
    /// to 0 behind its back.
    ///
    /// # Errors
    ///
    /// Each after one line in the kernel log that names the cause.
    ///
    /// - `ENOENT`: a function is absent, or ftrace cannot reach it.
    /// - `EOPNOTSUPP`: ftrace is switched off.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new(functions: &'static [&'static str], handler: H) -> impl PinInit<Self, Error> {
        // INVARIANT: `register` leaves `ops` registered with `private` at `handler`.
        try_pin_init!(&this in Self {
            handler,
            ops <- Opaque::try_ffi_init(move |ops: *mut bindings::ftrace_ops| {
                // SAFETY: `this` is being initialised, so it is valid for a projection.
                let handler = unsafe { &raw mut (*this.as_ptr()).handler };
                // SAFETY: `ops` is valid for writes and pinned. `handler` has been
                // initialised before and lives until `drop` has unregistered `ops`.
                unsafe { Self::register(ops, handler, functions) }
            }),
        })
    }

    /// # Safety
    ///
    /// `ops` must be valid for writes. If `Ok` is returned, `ops` and `handler` must
    /// neither move nor go away before `ops` is unregistered.
    unsafe fn register(
        ops: *mut bindings::ftrace_ops,
        handler: *mut H,
        functions: &[&str],
    ) -> Result {
        let new = bindings::ftrace_ops {
            func: Some(Self::callback),
            flags: bindings::FTRACE_OPS_FL_PERMANENT as c_ulong,
            private: handler.cast(),
            ..Default::default()
        };
        // SAFETY: `ops` is valid for writes by the safety requirement.
        unsafe { ptr::write(ops, new) };

        let registered = functions
            .iter()
            // SAFETY: `ops` has just been initialised and is not registered.
            .try_for_each(|function| unsafe { set_filter(ops, function) })
            .and_then(|()| {
                // SAFETY: `ops` is initialised and stays by the safety requirement.
                to_result(unsafe { bindings::register_ftrace_function(ops) })
                    .map_err(why_not_registered)
            });
        if registered.is_err() {
            // SAFETY: `ops` is initialised and not registered.
            unsafe { bindings::ftrace_free_filter(ops) };
        }
        registered
    }

    /// The function that ftrace calls. rustc emits no `fentry` call, so it is never
    /// traced itself.
    ///
    /// # Safety
    ///
    /// Called by ftrace alone, for a registered `ops` of a `Self`.
    unsafe extern "C" fn callback(
        _ip: c_ulong,
        _parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        regs: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: `ops` is registered, so by the type invariant `private` points to the
        // handler, which is shared only.
        let handler = unsafe { &*(*ops).private.cast::<H>() };
        // SAFETY: `regs` is what ftrace passed, and lives until this returns.
        handler.call(&mut unsafe { Arguments::from_raw(regs) });
    }
}

#[pinned_drop]
impl<H: Handler> PinnedDrop for Rewrite<H> {
    /// Detaches, and waits until no callback is under way.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant `ops` is registered.
        let unregistered = unsafe { bindings::unregister_ftrace_function(self.ops.get()) };
        if let Err(error) = to_result(unregistered) {
            pr_crit!("ftrace kept the callback: {error:?}\n");
        }
        // SAFETY: `ops` is initialised, and is registered no longer.
        unsafe { bindings::ftrace_free_filter(self.ops.get()) };
    }
}

/// Adds `function` to the functions that `ops` traces.
///
/// # Safety
///
/// `ops` must be initialised and not registered.
unsafe fn set_filter(ops: *mut bindings::ftrace_ops, function: &str) -> Result {
    let added = symbol::address(function).and_then(|address| {
        // SAFETY: By the safety requirement.
        to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) })
    });
    added.map_err(|error| match error {
        ENOENT | EINVAL => {
            pr_err!("{function}() is absent from this kernel, or not traceable\n");
            ENOENT
        }
        error => why_not_registered(error),
    })
}

/// Says in the log why ftrace refused, and gives the errno that fits.
fn why_not_registered(error: Error) -> Error {
    match error {
        // `__register_ftrace_function()` refuses a permanent ops so; `ENODEV` is the
        // answer after ftrace has shut itself down.
        EBUSY | ENODEV => {
            pr_err!("ftrace is switched off (sysctl kernel.ftrace_enabled)\n");
            Error::from_errno(-(kernel::bindings::EOPNOTSUPP as c_int))
        }
        error => {
            pr_err!("ftrace refused the hook: {error:?}\n");
            error
        }
    }
}
