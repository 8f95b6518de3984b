// SPDX-License-Identifier: GPL-2.0

//! Binding: the hold on `smc.ko`.
//!
//! C header: `net/smc/smc.h`.

use crate::bindings;

/// The address of a symbol that `smc.ko` exports.
///
/// # Invariants
///
/// Never read through.
#[repr(transparent)]
struct Address(*const bindings::proto);

// SAFETY: An address alone may be known to every thread.
unsafe impl Sync for Address {}

/// Makes the module loader bind smcify to `smc.ko`: that one is loaded first and
/// stays while smcify does.
#[used]
static SMC_PROTO: Address = Address(&raw const bindings::smc_proto);
