// SPDX-License-Identifier: GPL-2.0

//! Binding: where a function of the kernel is, `struct kprobe`.
//!
//! A kprobe that is registered disabled changes nothing, but its registration looks its
//! symbol up. The other way a module has, `ftrace_set_filter()`, forms the name of each of
//! some forty thousand functions.
//!
//! C header: `include/linux/kprobes.h`.

use core::mem;

use kernel::error::to_result;
use kernel::prelude::*;

use crate::bindings;

/// The longest name that is looked up, with its NUL, in bytes.
const LONGEST: usize = 64;

/// Where the function `name`, of the kernel or a loaded module, can be probed: its first
/// instruction, or where there is a landing pad for indirect calls the one after that. It is for
/// ftrace, and for direct calls.
///
/// # Errors
///
/// - `ENOENT`: it is absent, must not be probed, or `name` is too long.
/// - `ENOMEM`: somebody else has probed it already, and there is no memory for two.
///
/// Context: process context, may sleep.
pub fn address_of(name: &str) -> Result<c_ulong> {
    let mut symbol = [0u8; LONGEST];
    symbol
        .get_mut(..name.len())
        .filter(|place| place.len() < LONGEST)
        .ok_or(ENOENT)?
        .copy_from_slice(name.as_bytes());
    // SAFETY: All zeroes are a `struct kprobe` like any that C defines.
    let mut kprobe: bindings::kprobe = unsafe { mem::zeroed() };
    kprobe.symbol_name = symbol.as_ptr().cast();
    kprobe.flags = bindings::KPROBE_FLAG_DISABLED;
    // SAFETY: `kprobe` names a NUL-terminated symbol, and stays where it is until it is
    // unregistered.
    to_result(unsafe { bindings::register_kprobe(&raw mut kprobe) }).map_err(absent)?;
    let address = kprobe.addr as c_ulong;
    // SAFETY: `kprobe` has been registered; this waits until nobody looks at it.
    unsafe { bindings::unregister_kprobe(&raw mut kprobe) };
    Ok(address)
}

/// `EINVAL` says of an address that it must not be probed, or is not one of a function's.
pub fn absent(error: Error) -> Error {
    if error == EINVAL {
        ENOENT
    } else {
        error
    }
}
