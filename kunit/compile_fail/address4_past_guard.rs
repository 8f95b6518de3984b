// SPDX-License-Identifier: GPL-2.0

//! E0597: an IPv4 address kept past the guard, and so past its device.
//!
//! Right: what it says is read under the guard, and copied.

#![forbid(unsafe_code)]

use kernel::sync::rcu;
use smcify::net::Sock;

pub fn first(sock: &Sock) -> Option<()> {
    let address = {
        let guard = rcu::read_lock();
        let dev = sock.dst(&guard)?.dev(&guard)?;
        let address = dev.in_device(&guard)?.addresses().next()?;
        #[cfg(not(wrong))]
        let address = address.address();
        address
    };
    let _kept = (address,);
    Some(())
}
