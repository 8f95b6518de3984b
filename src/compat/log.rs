// SPDX-License-Identifier: GPL-2.0

//! Binding: lines in the kernel log that users can cause, and so not too many of them.
//!
//! C header: `include/linux/ratelimit.h`.

use crate::bindings;

/// `pr_warn_ratelimited()`.
macro_rules! warn_ratelimited {
    ($($line:tt)*) => {
        if $crate::compat::log::may_warn() {
            kernel::pr_warn!($($line)*);
        }
    };
}
pub(crate) use warn_ratelimited;

/// Whether there have been few lines lately: ten in five seconds.
///
/// Context: any.
pub fn may_warn() -> bool {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_may_warn() }
}
