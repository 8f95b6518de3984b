// SPDX-License-Identifier: GPL-2.0

//! Binding: a network namespace, `struct net`.
//!
//! C header: `include/net/net_namespace.h`.

use crate::bindings;

/// The cookie of a namespace, which no other ever has: `SO_NETNS_COOKIE`.
///
/// Context: any.
///
/// # Safety
///
/// `net` must be alive.
#[inline]
pub unsafe fn cookie(net: *const bindings::net) -> u64 {
    // SAFETY: The offset is that of a number, which never changes once the namespace is there.
    unsafe {
        net.byte_add(bindings::smcify_offset_NET_COOKIE as usize)
            .cast::<u64>()
            .read()
    }
}
