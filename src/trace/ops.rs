// SPDX-License-Identifier: GPL-2.0

//! Binding: registering a callback with ftrace, `struct ftrace_ops`.
//!
//! C header: `include/linux/ftrace.h`.

use kernel::error::to_result;
use kernel::prelude::*;

use super::symbol;
use crate::bindings;

/// The type of a callback. A Rust one is never traced itself, since rustc emits no
/// `fentry` call.
pub(super) type Callback = unsafe extern "C" fn(
    ip: c_ulong,
    parent_ip: c_ulong,
    ops: *mut bindings::ftrace_ops,
    regs: *mut bindings::ftrace_regs,
);

/// Initialises `ops` and registers it for the kernel functions of these names.
///
/// As permanent: while it is registered, `kernel.ftrace_enabled` cannot be set to 0 behind
/// its back.
///
/// # Errors
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
/// `ops` must be valid for writes. If `Ok` is returned, it must neither move nor go away
/// before [`unregister`], and `callback` must be sound to call with `private` until then.
pub(super) unsafe fn register(
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
/// all where it has shut itself down.
pub(super) fn off(error: Error) -> Error {
    match error {
        EBUSY | ENODEV => Error::from_errno(-(kernel::bindings::EOPNOTSUPP as c_int)),
        error => error,
    }
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

/// Takes `ops` off again, and waits until no callback is under way, nor any task on its way
/// from one, short of those that have gone to sleep since.
///
/// It does not return if ftrace has shut itself down: then the function still calls `ops`, and
/// neither that nor this code may go.
///
/// Context: process context, may sleep.
///
/// # Safety
///
/// `ops` must have been registered by [`register`], and is so no longer.
pub(super) unsafe fn unregister(ops: *mut bindings::ftrace_ops) {
    // SAFETY: `ops` is registered by the safety requirement.
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
