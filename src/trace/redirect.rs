// SPDX-License-Identifier: GPL-2.0

//! Binding: put another function in a function's place, `FTRACE_OPS_FL_IPMODIFY`.
//!
//! The mechanism under livepatch. Of a function that never sleeps nothing is left when it is
//! taken off: `unregister_ftrace_function()` waits for a grace period of RCU tasks, which ends
//! only when every task has slept or run in user space, and so has left the replacement.
//! As of livepatches there can be one of a function: who comes later is refused.
//!
//! C header: `include/linux/ftrace.h`; example: `kernel/livepatch/patch.c`.

use core::convert::identity;

use kernel::prelude::*;

use super::ops::Registered;
use super::Arguments;
use crate::bindings;

/// A function that is to take another's place.
///
/// # Invariants
///
/// `by` has the signature of the kernel's `function`, is sound to call where that is, and
/// never sleeps.
#[derive(Clone, Copy)]
pub struct Replacement {
    function: &'static str,
    by: *const (),
}

// SAFETY: The address of a function is the same for every thread.
unsafe impl Send for Replacement {}

// SAFETY: As above.
unsafe impl Sync for Replacement {}

impl Replacement {
    /// # Safety
    ///
    /// `by` must be an `extern "C"` function with the signature of the kernel's `function`,
    /// sound to call wherever the kernel calls that one, and must never sleep.
    pub const unsafe fn new(function: &'static str, by: *const ()) -> Self {
        // INVARIANT: By the safety requirement.
        Self { function, by }
    }

    /// The name of the kernel function that is replaced.
    pub const fn function(&self) -> &'static str {
        self.function
    }
}

/// A function whose calls go to its replacement, from the end of the initialisation until the
/// value is dropped: that takes the replacement away, and waits until no task is inside it.
///
/// # Invariants
///
/// The `private` of `_registered` is the `by` of a [`Replacement`].
#[pin_data]
pub struct Redirect {
    #[pin]
    _registered: Registered,
}

impl Redirect {
    /// Puts `replacement` in its place.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the function is absent, or ftrace cannot reach it.
    /// - `EBUSY`: somebody else has redirected it, a livepatch for one, or ftrace is switched
    ///   off.
    /// - `ENODEV`: ftrace has shut itself down.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new(replacement: Replacement) -> impl PinInit<Self, Error> {
        let Replacement { function, by } = replacement;
        let (private, flags) = (by.cast_mut().cast(), bindings::FTRACE_OPS_FL_IPMODIFY);
        let names = [function].into_iter();
        // INVARIANT: `private` is `by`.
        try_pin_init!(Self {
            // SAFETY: By its invariant `by` is sound to call where the function is, and what never
            // sleeps is left by all tasks before a registration is over.
            _registered <- unsafe {
                Registered::new(Self::callback, private, flags, names, identity)
            },
        })
    }

    /// The function that ftrace calls.
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
        // SAFETY: `ops` is registered by a `Redirect`.
        let by = unsafe { (*ops).private };
        // SAFETY: `regs` is what ftrace passed, and lives until this returns. No argument is set.
        let mut arguments = unsafe { Arguments::<()>::from_raw(regs) };
        // SAFETY: The registration has `FTRACE_OPS_FL_IPMODIFY`. By the type invariant of `Self`
        // and that of `Replacement`, `by` has the signature of the function.
        unsafe { arguments.set_instruction_pointer(by as c_ulong) };
    }
}
