// SPDX-License-Identifier: GPL-2.0

//! Binding: a socket's protocol side, `struct sock`, as far as its route.
//!
//! C header: `include/net/sock.h`.

use kernel::sync::rcu;
use kernel::types::Opaque;

use super::Dst;
use crate::bindings;

/// A live `struct sock`.
///
/// # Invariants
///
/// Instances are reached only through references for whose lifetime somebody holds a
/// reference count of the socket.
#[repr(transparent)]
pub struct Sock(Opaque<bindings::sock>);

impl Sock {
    /// # Safety
    ///
    /// `sock` must point to a socket that stays alive for `'a`.
    pub unsafe fn from_raw<'a>(sock: *const bindings::sock) -> &'a Self {
        // SAFETY: `Self` is transparent, and the socket stays by the safety requirement.
        unsafe { &*sock.cast() }
    }

    /// The `struct sock`, which lives as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// The route that the socket sends by, `__sk_dst_get()`, or `None` if it has none
    /// (any more). Another one may be there at the next call.
    ///
    /// Context: any; the guard keeps the route alive.
    pub fn dst<'g>(&self, _guard: &'g rcu::Guard) -> Option<Dst<'g>> {
        // SAFETY: `self` is a live socket, and the guard holds the RCU read lock.
        let dst = unsafe { bindings::smcify_sk_dst(self.0.get()) };
        // SAFETY: What `sk_dst_cache` held under RCU is not freed before `'g` ends.
        (!dst.is_null()).then(|| unsafe { Dst::from_raw(dst) })
    }
}
