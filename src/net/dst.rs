// SPDX-License-Identifier: GPL-2.0

//! Binding: a route, `struct dst_entry`, as far as its egress device.
//!
//! C header: `include/net/dst.h`.

use core::marker::PhantomData;
use core::ptr::NonNull;

use kernel::sync::rcu;

use super::NetDevice;
use crate::bindings;

/// A route, for as long as an RCU guard is held.
///
/// Its device is replaced while it is in use when the device goes away, so two loads may
/// give two devices: the one that was checked and another. Asking for the device therefore
/// uses the route up, and a `Dst` cannot be copied.
///
/// # Invariants
///
/// Points to a `struct dst_entry` that is not freed before `'g` ends.
pub struct Dst<'g>(NonNull<bindings::dst_entry>, PhantomData<&'g rcu::Guard>);

impl<'g> Dst<'g> {
    /// # Safety
    ///
    /// `dst` must not be null, and must stay alive for `'g`, under RCU.
    pub(super) unsafe fn from_raw(dst: *mut bindings::dst_entry) -> Self {
        // INVARIANT: By the safety requirement.
        // SAFETY: `dst` is not null by the safety requirement.
        Self(unsafe { NonNull::new_unchecked(dst) }, PhantomData)
    }

    /// The egress device, `dst_dev_rcu()`: one load.
    ///
    /// While it goes away it is replaced by the blackhole device, so there nearly always
    /// is one; `None` is for routes that never had any.
    ///
    /// Context: any; the guard keeps the device alive, [`ARef`](super::ARef) keeps it longer.
    pub fn dev(self, _guard: &'g rcu::Guard) -> Option<&'g NetDevice> {
        // SAFETY: By the type invariant the route is alive, and the guard holds the RCU
        // read lock.
        let dev = unsafe { bindings::smcify_dst_dev(self.0.as_ptr()) };
        // SAFETY: A device that a route names is freed only after a grace period that
        // begins when no route names it any more, so not before `'g` ends.
        (!dev.is_null()).then(|| unsafe { NetDevice::from_raw(dev) })
    }
}
