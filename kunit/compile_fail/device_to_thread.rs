// SPDX-License-Identifier: GPL-2.0

//! E0597: a borrowed device sent to another thread, which may outlive the guard.
//!
//! Not E0277: a device is `Send` and `Sync`, for it belongs to no thread. What does not
//! travel is the guard's borrow: whatever is queued must live for `'static`.
//!
//! Right: a reference of one's own travels.

#![forbid(unsafe_code)]

use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::workqueue;
use smcify::net::{
    ARef,
    NetDevice,
    Sock, //
};

fn speaks_ipv4(dev: &NetDevice) -> bool {
    dev.in_device(&rcu::read_lock()).is_some()
}

pub fn look_later(sock: &Sock) -> Result<(), AllocError> {
    let guard = rcu::read_lock();
    let Some(dev) = sock.dst(&guard).and_then(|dst| dst.dev(&guard)) else {
        return Ok(());
    };
    #[cfg(not(wrong))]
    let dev = ARef::from(dev);
    workqueue::system().try_spawn(GFP_ATOMIC, move || {
        let _ = speaks_ipv4(&dev);
    })
}
