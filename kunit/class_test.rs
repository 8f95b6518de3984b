// SPDX-License-Identifier: GPL-2.0

//! KUnit: the class of bugs that `smc_clc_prfx_match()` belongs to, with `src/net/`.
//!
//! The reader of `smcify_kept.c`, which keeps a device from before a window in which it is
//! deleted, cannot be written with these types: what is read under a guard ends with it
//! (`kunit/compile_fail/`). This is what comes nearest, on the same schedule: a counted device
//! lives until it is dropped, and the deletion waits. The guest has made the device.

use core::ffi::CStr;

use kernel::prelude::*;
use kernel::sync::rcu;

use crate::net_test::{
    device,
    routed4, //
};
use crate::window::Window;

/// The device, with the address 10.97.0.1/24.
const DEVICE: &CStr = c"smcify0";
/// Where it leads.
const BY_DEVICE: [u8; 4] = [10, 97, 0, 2];
/// In ms: longer than a deletion takes that nobody delays.
const LONG: u32 = 500;
const PATIENCE: u32 = 10_000;

#[kunit_tests(smcify_class)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_device_lives_until_it_is_dropped() {
        let socket = routed4(BY_DEVICE);
        let kept = socket.as_ref().map_err(|e| *e).and_then(device);
        let mut window = Window::open(DEVICE);
        let mut pass = |patience| window.as_mut().map(|it| it.pass(patience)).ok();
        let freed_while_kept = pass(LONG);
        // It is of no network any more, but can be asked.
        let speaks_ipv4 = kept
            .as_ref()
            .map(|dev| dev.in_device(&rcu::read_lock()).is_some())
            .ok();
        drop(kept);
        let freed_then = pass(PATIENCE);
        drop(window);
        assert_eq!(freed_while_kept, Some(false));
        assert_eq!(speaks_ipv4, Some(false));
        assert_eq!(freed_then, Some(true));
    }
}
