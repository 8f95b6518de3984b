// SPDX-License-Identifier: GPL-2.0

//! Binding, test-only: the end of a network device at a chosen moment, `window.c`.

use core::ffi::CStr;
use core::ptr::NonNull;

use kernel::prelude::*;

#[repr(C)]
struct RawWindow {
    _private: [u8; 0],
}

extern "C" {
    fn smcify_window_open(device: *const c_char) -> *mut RawWindow;
    fn smcify_window_pass(window: *mut RawWindow, patience: c_uint) -> bool;
    fn smcify_window_close(window: *mut RawWindow);
}

/// A time within which a device is deleted; dropping it waits for the end of that.
///
/// # Invariants
///
/// Came from `smcify_window_open()` and is not closed.
pub(crate) struct Window(NonNull<RawWindow>);

impl Window {
    /// For the device of that name, of the initial network namespace.
    pub(crate) fn open(device: &CStr) -> Result<Self> {
        // SAFETY: `device` is a NUL-terminated string, which is copied.
        let window = unsafe { smcify_window_open(device.to_bytes_with_nul().as_ptr()) };
        // INVARIANT: It is a window just opened.
        NonNull::new(window).map(Self).ok_or(ENOMEM)
    }

    /// Has the device deleted, if that has not begun, and waits for at most `patience` ms
    /// until it is freed. Whether it is.
    pub(crate) fn pass(&mut self, patience: c_uint) -> bool {
        // SAFETY: By the type invariant it is an open window, which `&mut` makes ours alone.
        unsafe { smcify_window_pass(self.0.as_ptr(), patience) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is an open window, and this is its end.
        unsafe { smcify_window_close(self.0.as_ptr()) }
    }
}
