// SPDX-License-Identifier: GPL-2.0

//! E0505: a guard held across a call that sleeps, and so takes it by value.
//!
//! Right: the device is kept by a reference of one's own meanwhile.

#![forbid(unsafe_code)]

use kernel::sync::rcu;
use smcify::net::{
    ARef,
    NetDevice,
    Sock, //
};

fn speaks_ipv4(dev: &NetDevice) -> bool {
    dev.in_device(&rcu::read_lock()).is_some()
}

/// What sleeps ends the read-side section first, and who calls it has no guard any more.
fn sleep(guard: rcu::Guard) {
    guard.unlock();
}

pub fn egress(sock: &Sock) -> Option<bool> {
    let guard = rcu::read_lock();
    let dev = sock.dst(&guard)?.dev(&guard)?;
    #[cfg(not(wrong))]
    let dev = ARef::from(dev);
    sleep(guard);
    Some(speaks_ipv4(&dev))
}
