// SPDX-License-Identifier: GPL-2.0

//! E0597: a dst kept past the guard that it was loaded under.
//!
//! Right: what is asked of it is asked under the guard.

#![forbid(unsafe_code)]

use kernel::sync::rcu;
use smcify::net::{
    ARef,
    Sock, //
};

pub fn is_routed(sock: &Sock) -> bool {
    let route = {
        let guard = rcu::read_lock();
        let route = sock.dst(&guard);
        #[cfg(not(wrong))]
        let route = route.and_then(|dst| dst.dev(&guard)).map(ARef::from);
        route
    };
    route.is_some()
}
