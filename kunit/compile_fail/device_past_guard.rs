// SPDX-License-Identifier: GPL-2.0

//! E0597: a device kept past the guard that it is borrowed from.
//!
//! Right: to keep it longer takes a reference of one's own.

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

pub fn egress(sock: &Sock) -> Option<bool> {
    let dev = {
        let guard = rcu::read_lock();
        let dev = sock.dst(&guard)?.dev(&guard)?;
        #[cfg(not(wrong))]
        let dev = ARef::from(dev);
        dev
    };
    Some(speaks_ipv4(&dev))
}
