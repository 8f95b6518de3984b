// SPDX-License-Identifier: GPL-2.0

//! Binding: registering a callback with ftrace, `struct ftrace_ops`.
//!
//! C header: `include/linux/ftrace.h`.

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

use crate::bindings;
use crate::compat::symbol;

/// The type of a callback. A Rust one is never traced itself, since rustc emits no
/// `fentry` call.
pub(super) type Callback = unsafe extern "C" fn(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    regs: *mut bindings::ftrace_regs,
);

/// A callback that ftrace calls at certain functions, from the end of the initialisation until
/// the value is dropped.
///
/// As permanent: while it is registered, `kernel.ftrace_enabled` cannot be set to 0 behind
/// its back.
///
/// # Invariants
///
/// `ops` is registered.
#[pin_data(PinnedDrop)]
pub(super) struct Registered {
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
}

// SAFETY: Any thread may end a registration.
unsafe impl Send for Registered {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Registered {}

impl Registered {
    /// Registers `callback`, with `private` in its ops, for the kernel functions of these
    /// names.
    ///
    /// # Errors
    ///
    /// What `refused` makes of these:
    ///
    /// - `ENOENT`: a function is absent, or ftrace cannot reach it.
    /// - `EBUSY`: ftrace is switched off, or with `FTRACE_OPS_FL_IPMODIFY` another one has it.
    /// - `ENODEV`: ftrace has shut itself down.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    ///
    /// # Safety
    ///
    /// `callback` must be sound to call with `private` until the value has been dropped.
    pub(super) unsafe fn new(
        callback: Callback,
        private: *mut c_void,
        flags: u32,
        functions: impl Iterator<Item = &'static str>,
        refused: impl FnOnce(Error) -> Error,
    ) -> impl PinInit<Self, Error> {
        // INVARIANT: `register` leaves `ops` registered.
        try_pin_init!(Self {
            ops <- Opaque::try_ffi_init(move |ops: *mut bindings::ftrace_ops| {
                // SAFETY: `ops` is valid for writes and pinned, and `drop` unregisters it.
                // `callback` is sound to call until then by the safety requirement.
                unsafe { register(ops, callback, private, flags, functions) }.map_err(refused)
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Registered {
    /// Takes it off, and waits until no callback is under way, nor any task on its way from
    /// one, short of those that have gone to sleep since.
    ///
    /// It does not return if ftrace has shut itself down: then the functions still call `ops`,
    /// and neither that nor this code may go.
    ///
    /// Context: process context, may sleep.
    fn drop(self: Pin<&mut Self>) {
        let ops = self.ops.get();
        // SAFETY: By the type invariant `ops` is registered.
        if let Err(error) = to_result(unsafe { bindings::unregister_ftrace_function(ops) }) {
            pr_emerg!("ftrace keeps the callback ({error:?}): it stays, and this task with it\n");
            loop {
                // SAFETY: Sleeping is allowed here.
                unsafe { bindings::msleep(60_000) };
            }
        }
        // SAFETY: `ops` is initialised, and is registered no longer.
        unsafe { bindings::ftrace_free_filter(ops) };
    }
}

/// Initialises `ops` and registers it.
///
/// # Safety
///
/// `ops` must be valid for writes. If `Ok` is returned, it must neither move nor go away
/// before it is unregistered, and `callback` must be sound to call with `private` until then.
unsafe fn register(
    ops: *mut bindings::ftrace_ops,
    callback: Callback,
    private: *mut c_void,
    flags: u32,
    mut functions: impl Iterator<Item = &'static str>,
) -> Result {
    // SAFETY: `ops` is valid for writes by the safety requirement, and all zeroes are a
    // `struct ftrace_ops` like any that C defines.
    unsafe {
        ops.write_bytes(0, 1);
        (*ops).func = Some(callback);
        (*ops).flags = (bindings::FTRACE_OPS_FL_PERMANENT | flags) as c_ulong;
        (*ops).private = private;
    }
    let registered = functions
        // SAFETY: `ops` has just been initialised and is not registered.
        .try_for_each(|function| unsafe { add(ops, function) })
        // SAFETY: `ops` is initialised, and stays by the safety requirement.
        .and_then(|()| to_result(unsafe { bindings::register_ftrace_function(ops) }));
    if registered.is_err() {
        // SAFETY: `ops` is initialised and not registered.
        unsafe { bindings::ftrace_free_filter(ops) };
    }
    registered
}

/// `EBUSY` and `ENODEV`, of an ops without `FTRACE_OPS_FL_IPMODIFY`, as `EOPNOTSUPP`:
/// `__register_ftrace_function()` refuses a permanent one so where ftrace is switched off, and
/// all where it has shut itself down. Says so in the log.
pub(super) fn off(error: Error) -> Error {
    match error {
        EBUSY => pr_err!("ftrace is switched off (sysctl kernel.ftrace_enabled)\n"),
        ENODEV => pr_err!("ftrace has shut itself down, see above\n"),
        error => return error,
    }
    Error::from_errno(-(kernel::bindings::EOPNOTSUPP as c_int))
}

/// Adds `function` to the functions that `ops` traces.
///
/// # Safety
///
/// `ops` must be initialised and not registered.
unsafe fn add(ops: *mut bindings::ftrace_ops, function: &str) -> Result {
    let address = symbol::address_of(function)?;
    // SAFETY: By the safety requirement.
    to_result(unsafe { bindings::ftrace_set_filter_ip(ops, address, 0, 0) }).map_err(symbol::absent)
}
