// SPDX-License-Identifier: GPL-2.0

//! Binding: change the arguments of a function's calls, `struct ftrace_ops`.
//!
//! Without `FTRACE_OPS_FL_IPMODIFY`, so it shares a function with livepatches and BPF
//! programs. Without a trace on any stack: the callback has returned before the
//! function begins, so no task can be left inside module code once
//! `unregister_ftrace_function()` has waited for the callbacks under way.
//!
//! C header: `include/linux/ftrace.h`.

use core::fmt;
use core::marker::PhantomData;

use kernel::prelude::*;
use kernel::sync::Arc;

use super::ops::{
    off,
    Registered, //
};
use super::Arguments;
use crate::bindings;

/// A function whose arguments may be changed: those that `A` says are [integers](super::Integer).
///
/// # Invariants
///
/// The kernel's `function` is sound to call with any value of the arguments that are integers.
pub struct Rewritten<A>(&'static str, PhantomData<fn() -> A>);

impl<A> Rewritten<A> {
    /// # Safety
    ///
    /// The arguments of the kernel's `function` must be what `A` says, and it sound to call with any
    /// value of those that are integers, as is one that is given what user space asks for,
    /// unchecked.
    pub const unsafe fn new(function: &'static str) -> Self {
        // INVARIANT: By the safety requirement.
        Self(function, PhantomData)
    }
}

impl<A> fmt::Debug for Rewritten<A> {
    /// The function's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What is done to each call. It borrows nothing: a [`Rewrite`] that is forgotten goes on calling it.
pub trait Handler<A>: Send + Sync + 'static {
    /// Reads and sets the arguments of one call.
    ///
    /// Context: that of the traced function's caller, with preemption possibly off:
    /// must not sleep, nor call a function that is traced by the same [`Rewrite`].
    fn call(&self, arguments: Arguments<'_, A>);
}

/// Functions whose calls go through a [`Handler`] first, from the end of the
/// initialisation until the value is dropped.
///
/// # Invariants
///
/// The `private` of `_registered` points to what `_handler` keeps: a call finds that with one
/// load. It is dropped first.
#[pin_data]
pub struct Rewrite<H: Handler<A>, A> {
    #[pin]
    _registered: Registered,
    _handler: Arc<H>,
    _arguments: PhantomData<fn() -> A>,
}

impl<H: Handler<A>, A: 'static> Rewrite<H, A> {
    /// Attaches `handler` to these functions.
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
    pub fn new(functions: &'static [Rewritten<A>], handler: Arc<H>) -> impl PinInit<Self, Error> {
        let private = (&raw const *handler).cast_mut().cast();
        let names = functions.iter().map(|it| it.0);
        let refused = |error| why_not(error, functions);
        // INVARIANT: `private` points to the handler.
        try_pin_init!(Self {
            // SAFETY: The handler is dropped after this. What it sets are integers.
            _registered <- unsafe {
                Registered::new(Self::callback, private, 0, names, refused)
            },
            _handler: handler,
            _arguments: PhantomData,
        })
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
        // SAFETY: `regs` is what ftrace passed, and lives until this returns. The functions are
        // all `Rewritten<A>`.
        handler.call(unsafe { Arguments::from_raw(regs) });
    }
}

/// Says in the log why ftrace refused, and gives the errno that fits.
fn why_not(error: Error, functions: &[impl fmt::Debug]) -> Error {
    match error {
        ENOENT => {
            pr_err!("of {functions:?} one is absent from this kernel, or not traceable\n");
            ENOENT
        }
        EBUSY | ENODEV => off(error),
        error => {
            pr_err!("ftrace refused the hook: {error:?}\n");
            error
        }
    }
}
