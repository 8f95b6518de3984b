// SPDX-License-Identifier: GPL-2.0

//! Binding: a socket of the kernel's own.
//!
//! C header: `include/linux/net.h`.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::error::to_result;
use kernel::prelude::*;

use crate::bindings;

/// A kernel socket in the initial network namespace, released when dropped.
///
/// # Invariants
///
/// The pointer came from `sock_create_kern()` and has not been released.
pub struct Socket(NonNull<bindings::socket>);

impl Socket {
    /// Creates a socket, `sock_create_kern()`. The arguments are those of `socket(2)`
    /// without flags.
    ///
    /// # Errors
    ///
    /// `EPROTONOSUPPORT` or `ESOCKTNOSUPPORT` if the protocol is not there,
    /// `EAFNOSUPPORT` if the family is not, `ENOMEM`.
    ///
    /// Context: process context, may sleep and may load a module.
    pub fn create_kern(family: c_int, kind: c_int, protocol: c_int) -> Result<Self> {
        let mut socket = ptr::null_mut();
        let net = &raw mut bindings::init_net;
        // SAFETY: `init_net` lives as long as the kernel; `socket` is valid for a write.
        to_result(unsafe { bindings::sock_create_kern(net, family, kind, protocol, &mut socket) })?;
        // INVARIANT: `sock_create_kern()` succeeded, so `socket` is a new socket of ours.
        NonNull::new(socket).map(Self).ok_or(EINVAL)
    }

    /// The `struct socket`, which lives as long as `self`.
    pub fn as_ptr(&self) -> *mut bindings::socket {
        self.0.as_ptr()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the socket is live and ours, and this is its end.
        unsafe { bindings::sock_release(self.0.as_ptr()) }
    }
}
