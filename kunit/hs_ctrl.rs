// SPDX-License-Identifier: GPL-2.0

//! Binding, test-only: somebody else's hs_ctrl, and the connections that the hook is asked about.

use core::ptr;
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};

use kernel::error::to_result;
use kernel::prelude::*;

use crate::bindings;
use crate::calls::sockaddr4;
use crate::compat::version::this_module;
use crate::net::Socket;

/// How many references of this module there are.
pub(crate) fn references() -> c_int {
    // SAFETY: The module is there: this is its code.
    unsafe { bindings::module_refcount(this_module().as_ptr().cast()) }
}

/// Binds an SMC socket to an IPv4 address and port, and listens.
pub(crate) fn listen4(socket: &Socket, address: [u8; 4], port: u16) -> Result {
    let mut at = sockaddr4(address, port);
    // SAFETY: The socket is live, and `at` is an address of the length given.
    to_result(unsafe {
        bindings::kernel_bind(
            socket.as_ptr(),
            (&raw mut at).cast(),
            size_of_val(&at) as c_int,
        )
    })?;
    // SAFETY: The socket is live.
    to_result(unsafe { bindings::kernel_listen(socket.as_ptr(), 1) })
}

/// What is in the place of the initial network namespace.
fn place() -> &'static AtomicPtr<bindings::smc_hs_ctrl> {
    let net = &raw mut bindings::init_net;
    // SAFETY: `init_net` lives as long as the kernel, and C accesses its place atomically.
    unsafe {
        AtomicPtr::from_ptr(
            net.byte_add(bindings::smcify_offset_NET_HS_CTRL as usize)
                .cast(),
        )
    }
}

/// Whether the place is empty.
pub(crate) fn is_empty() -> bool {
    place().load(Ordering::SeqCst).is_null()
}

/// A control that nobody owns, which has no callbacks, in the place of the initial namespace;
/// taken out when dropped.
pub(crate) struct Other(KBox<bindings::smc_hs_ctrl>);

impl Other {
    /// Puts it there.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the place is not empty. `ENOMEM`.
    pub(crate) fn put() -> Result<Self> {
        // SAFETY: All zeroes are one like any that C defines.
        let ctrl = KBox::new(unsafe { core::mem::zeroed() }, GFP_KERNEL)?;
        let mut this = Self(ctrl);
        let name = this.0.name.iter_mut().zip(b"other");
        name.for_each(|(to, from)| *to = *from as c_char);
        let ours = &raw mut *this.0;
        place()
            .compare_exchange(ptr::null_mut(), ours, Ordering::SeqCst, Ordering::SeqCst)
            .map_err(|_| EBUSY)?;
        Ok(this)
    }

    /// Whether it is still there.
    pub(crate) fn is_there(&self) -> bool {
        ptr::eq(place().load(Ordering::SeqCst), &raw const *self.0)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let ours = &raw mut *self.0;
        let null = ptr::null_mut();
        let _ = place().compare_exchange(ours, null, Ordering::SeqCst, Ordering::SeqCst);
        // SAFETY: Sleeping is allowed here.
        unsafe { bindings::synchronize_rcu() };
    }
}
