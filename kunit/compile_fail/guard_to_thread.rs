// SPDX-License-Identifier: GPL-2.0

//! E0277: a guard sent to another thread, so that what is borrowed from it could follow.
//!
//! A read-side section is the thread's that began it: `Guard` is not `Send`.
//!
//! Right: the other thread begins a section of its own.

#![forbid(unsafe_code)]

use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::workqueue;

pub fn read_later() -> Result<(), AllocError> {
    #[cfg(wrong)]
    let guard = rcu::read_lock();
    workqueue::system().try_spawn(GFP_ATOMIC, move || {
        #[cfg(not(wrong))]
        let guard = rcu::read_lock();
        guard.unlock();
    })
}
