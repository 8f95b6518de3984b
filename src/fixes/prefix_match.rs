// SPDX-License-Identifier: GPL-2.0

//! The prefix match on a live socket: the answer that `smc_clc_prfx_match()` should have
//! given.
//!
//! Logic.

use kernel::prelude::*;
use kernel::sync::rcu;

use crate::net::clc::{
    Addresses,
    Ifaddr4,
    Ifaddr6,
    Mismatch,
    Prefixes, //
};
use crate::net::{
    NetDevice,
    Sock, //
};

/// The addresses of an egress device, under RCU.
struct Egress<'g> {
    dev: &'g NetDevice,
    guard: &'g rcu::Guard,
}

impl Addresses for Egress<'_> {
    fn ipv4(&self) -> Option<impl Iterator<Item = Ifaddr4>> {
        let in_dev = self.dev.in_device(self.guard)?;
        Some(in_dev.addresses().map(|ifa| Ifaddr4 {
            address: ifa.address(),
            mask: ifa.mask(),
        }))
    }

    fn ipv6(&self) -> Option<impl Iterator<Item = Ifaddr6>> {
        let idev = self.dev.inet6_dev(self.guard)?;
        Some(idev.addresses().map(|ifa| Ifaddr6 {
            address: ifa.address(),
            prefix_len: ifa.prefix_len(),
        }))
    }
}

/// Is one of the prefixes in `area`, the prefix area of a CLC Proposal, a subnet of the
/// device that `sock` sends by?
///
/// # Errors
///
/// - `ENODEV`: the socket has no route or no device, or that does not speak the address
///   family of the prefixes.
/// - `ENOENT`: none is.
/// - `EINVAL`: `area` is too short to hold one.
///
/// Context: any; does not sleep. One RCU section holds from the load of the device to the
/// last look at its addresses.
pub fn prefix_match(sock: &Sock, area: &[u8]) -> Result {
    let prefixes = Prefixes::parse(area).ok_or(EINVAL)?;
    let guard = &rcu::read_lock();
    let dst = sock.dst(guard).ok_or(ENODEV)?;
    let dev = dst.dev(guard).ok_or(ENODEV)?;
    prefixes
        .matches(&Egress { dev, guard })
        .map_err(|mismatch| match mismatch {
            Mismatch::NoDevice => ENODEV,
            Mismatch::NoEntry => ENOENT,
        })
}
