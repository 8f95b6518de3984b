// SPDX-License-Identifier: GPL-2.0

//! E0382: a device loaded twice from one dst, to be checked and to be used: it may be
//! another the second time, or none.
//!
//! Right: the device that was checked is the one that is used.

#![forbid(unsafe_code)]

use kernel::sync::rcu;
use smcify::net::{
    NetDevice,
    Sock, //
};

fn speaks_ipv4(dev: &NetDevice) -> bool {
    dev.in_device(&rcu::read_lock()).is_some()
}

pub fn egress(sock: &Sock) -> Option<bool> {
    let guard = rcu::read_lock();
    let dst = sock.dst(&guard)?;
    let dev = dst.dev(&guard)?;
    #[cfg(wrong)]
    let dev = dst.dev(&guard).unwrap_or(dev);
    Some(speaks_ipv4(dev))
}
