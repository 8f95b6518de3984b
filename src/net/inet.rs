// SPDX-License-Identifier: GPL-2.0

//! Binding: a device's IPv4 and IPv6 sides and their addresses.
//!
//! C headers: `include/linux/inetdevice.h`, `include/net/if_inet6.h`.

use core::marker::PhantomData;
use core::ptr::{
    self,
    NonNull, //
};

use kernel::sync::rcu;

use super::clc::{
    Be32,
    In6Addr, //
};
use crate::bindings;

/// The IPv4 side of a device, `struct in_device`, for as long as an RCU guard is held.
///
/// # Invariants
///
/// Points to a `struct in_device` that is not freed before `'g` ends.
pub struct InDevice<'g>(NonNull<bindings::in_device>, PhantomData<&'g rcu::Guard>);

impl<'g> InDevice<'g> {
    /// # Safety
    ///
    /// `in_dev` must have been loaded under the guard whose lifetime is `'g`.
    pub(super) unsafe fn from_raw(in_dev: NonNull<bindings::in_device>) -> Self {
        // INVARIANT: What was loaded under RCU is not freed before the guard is dropped.
        Self(in_dev, PhantomData)
    }

    /// The addresses, `in_dev_for_each_ifa_rcu()`: those there are when each is asked for.
    ///
    /// Context: any.
    pub fn addresses(&self) -> Ifaddrs<'g> {
        // INVARIANT: By this type's invariant; nothing has been found yet.
        Ifaddrs {
            in_dev: self.0,
            last: ptr::null(),
            _guard: PhantomData,
        }
    }
}

/// Walks over the IPv4 addresses of a device.
///
/// # Invariants
///
/// `in_dev` is not freed before `'g` ends, and `last` is null or an address found there.
pub struct Ifaddrs<'g> {
    in_dev: NonNull<bindings::in_device>,
    last: *const bindings::in_ifaddr,
    _guard: PhantomData<&'g rcu::Guard>,
}

impl<'g> Iterator for Ifaddrs<'g> {
    type Item = Ifaddr<'g>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: By the type invariant, and the guard holds the RCU read lock.
        let next = unsafe { bindings::smcify_ifa_next(self.in_dev.as_ptr(), self.last) };
        // INVARIANT: `next` has just been found, under the guard.
        let found = Ifaddr(NonNull::new(next.cast_mut())?, PhantomData);
        self.last = next;
        Some(found)
    }
}

/// An IPv4 address of a device, `struct in_ifaddr`.
///
/// # Invariants
///
/// Points to a `struct in_ifaddr` that is not freed before `'g` ends.
pub struct Ifaddr<'g>(NonNull<bindings::in_ifaddr>, PhantomData<&'g rcu::Guard>);

impl Ifaddr<'_> {
    /// `ifa_address`: of a point-to-point device, the peer's.
    pub fn address(&self) -> Be32 {
        // SAFETY: By the type invariant.
        Be32::from_wire(unsafe { (*self.0.as_ptr()).ifa_address }.to_ne_bytes())
    }

    /// `ifa_mask`.
    pub fn mask(&self) -> Be32 {
        // SAFETY: By the type invariant.
        Be32::from_wire(unsafe { (*self.0.as_ptr()).ifa_mask }.to_ne_bytes())
    }
}

/// The IPv6 side of a device, `struct inet6_dev`, for as long as an RCU guard is held.
///
/// # Invariants
///
/// Points to a `struct inet6_dev` that is not freed before `'g` ends.
pub struct Inet6Dev<'g>(NonNull<bindings::inet6_dev>, PhantomData<&'g rcu::Guard>);

impl<'g> Inet6Dev<'g> {
    /// # Safety
    ///
    /// `idev` must have been loaded under the guard whose lifetime is `'g`.
    pub(super) unsafe fn from_raw(idev: NonNull<bindings::inet6_dev>) -> Self {
        // INVARIANT: What was loaded under RCU is not freed before the guard is dropped.
        Self(idev, PhantomData)
    }

    /// The addresses, `addr_list` under RCU: those there are when each is asked for.
    ///
    /// Context: any.
    pub fn addresses(&self) -> Inet6Ifaddrs<'g> {
        // INVARIANT: By this type's invariant; nothing has been found yet.
        Inet6Ifaddrs {
            idev: self.0,
            last: ptr::null_mut(),
            _guard: PhantomData,
        }
    }
}

/// Walks over the IPv6 addresses of a device.
///
/// # Invariants
///
/// `idev` is not freed before `'g` ends, and `last` is null or an address found there.
pub struct Inet6Ifaddrs<'g> {
    idev: NonNull<bindings::inet6_dev>,
    last: *mut bindings::inet6_ifaddr,
    _guard: PhantomData<&'g rcu::Guard>,
}

impl<'g> Iterator for Inet6Ifaddrs<'g> {
    type Item = Inet6Ifaddr<'g>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: By the type invariant, and the guard holds the RCU read lock.
        let next = unsafe { bindings::smcify_ifa6_next(self.idev.as_ptr(), self.last) };
        // INVARIANT: `next` has just been found, under the guard.
        let found = Inet6Ifaddr(NonNull::new(next)?, PhantomData);
        self.last = next;
        Some(found)
    }
}

/// An IPv6 address of a device, `struct inet6_ifaddr`.
///
/// # Invariants
///
/// Points to a `struct inet6_ifaddr` that is not freed before `'g` ends.
pub struct Inet6Ifaddr<'g>(NonNull<bindings::inet6_ifaddr>, PhantomData<&'g rcu::Guard>);

impl Inet6Ifaddr<'_> {
    /// `addr`.
    pub fn address(&self) -> In6Addr {
        // SAFETY: By the type invariant. All parts of the union are the same 16 bytes.
        In6Addr::from_wire(unsafe { (*self.0.as_ptr()).addr.in6_u.u6_addr8 })
    }

    /// `prefix_len`, in bits.
    pub fn prefix_len(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { (*self.0.as_ptr()).prefix_len }
    }
}
