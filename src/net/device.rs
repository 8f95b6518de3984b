// SPDX-License-Identifier: GPL-2.0

//! Binding: a network device, `struct net_device`.
//!
//! C header: `include/linux/netdevice.h`.

use core::ptr::NonNull;

use kernel::sync::rcu;
use kernel::types::Opaque;

use super::{
    AlwaysRefCounted,
    InDevice,
    Inet6Dev, //
};
use crate::bindings;
use crate::compat::label::Label;

/// A network device.
///
/// Reached either through a reference borrowed from an [`rcu::Guard`], which cannot outlive
/// it, or through an [`ARef`](super::ARef), which delays the end of unregistering until it
/// is dropped (`unregister_netdevice: waiting for …` in the log, if that takes long).
///
/// # Invariants
///
/// Instances are not freed while they can be reached.
#[repr(transparent)]
pub struct NetDevice(Opaque<bindings::net_device>);

// SAFETY: A device belongs to no thread; its count may be dropped on any.
unsafe impl Send for NetDevice {}

// SAFETY: What the methods read is read under RCU, never changes, or is a name that is read as it
// is, byte by byte, at whatever moment.
unsafe impl Sync for NetDevice {}

impl NetDevice {
    /// # Safety
    ///
    /// `dev` must not be null, and must stay alive for `'a`.
    pub(super) unsafe fn from_raw<'a>(dev: *const bindings::net_device) -> &'a Self {
        // SAFETY: `Self` is transparent, and the device stays by the safety requirement.
        unsafe { &*dev.cast() }
    }

    /// The device's name at this moment, in its own network namespace.
    ///
    /// While it is renamed a mixture of both names may come out, as for the kernel's own
    /// readers.
    ///
    /// Context: any.
    pub fn name(&self) -> Label {
        let offset = bindings::smcify_offset_DEVICE_NAME as usize;
        let name = self.0.get().cast_const().cast::<[u8; Label::SIZE]>();
        // SAFETY: `self` is a live device, and the offset is that of an array of `IFNAMSIZ`
        // bytes, which others may be writing to.
        Label::from_field(unsafe { name.byte_add(offset).read_volatile() })
    }

    /// The device's IPv4 side, `__in_dev_get_rcu()`, or `None` if it does not speak IPv4.
    ///
    /// Context: any.
    pub fn in_device<'g>(&self, _guard: &'g rcu::Guard) -> Option<InDevice<'g>> {
        // SAFETY: `self` is a live device, and the guard holds the RCU read lock.
        let in_dev = NonNull::new(unsafe { bindings::smcify_in_dev(self.0.get()) })?;
        // SAFETY: `in_dev` has just been loaded under the guard.
        Some(unsafe { InDevice::from_raw(in_dev) })
    }

    /// The device's IPv6 side, `__in6_dev_get()`, or `None` if it does not speak IPv6.
    ///
    /// Context: any.
    pub fn inet6_dev<'g>(&self, _guard: &'g rcu::Guard) -> Option<Inet6Dev<'g>> {
        // SAFETY: `self` is a live device, and the guard holds the RCU read lock.
        let idev = NonNull::new(unsafe { bindings::smcify_in6_dev(self.0.get()) })?;
        // SAFETY: `idev` has just been loaded under the guard.
        Some(unsafe { Inet6Dev::from_raw(idev) })
    }
}

// SAFETY: `dev_hold()` and `dev_put()` count the references that keep a device registered
// and allocated.
unsafe impl AlwaysRefCounted for NetDevice {
    fn inc_ref(&self) {
        // SAFETY: `self` is a live device.
        unsafe { bindings::smcify_dev_hold(self.0.get()) }
    }

    unsafe fn dec_ref(dev: NonNull<Self>) {
        // SAFETY: The caller gives up a reference of its own.
        unsafe { bindings::smcify_dev_put(dev.cast().as_ptr()) }
    }
}
