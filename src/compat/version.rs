// SPDX-License-Identifier: GPL-2.0

//! What differs from one version of the kernel crate to the next, from 6.16 on.
//!
//! Logic. `Kbuild` sets `smcify_before_X_Y` for each version that is named here, and nothing else
//! in the module asks for one. What depends on the configuration is not here but asks for that.

use kernel::prelude::*;

// In another place before 6.18.
#[cfg(not(smcify_before_6_18))]
pub use kernel::sync::aref::{
    ARef,
    AlwaysRefCounted, //
};
#[cfg(smcify_before_6_18)]
pub use kernel::types::{
    ARef,
    AlwaysRefCounted, //
};

/// An address as the socket layer gives it to a protocol, another type before 6.19.
#[cfg(smcify_before_6_19)]
pub type SockAddr = crate::bindings::sockaddr;
/// An address as the socket layer gives it to a protocol, another type before 6.19.
#[cfg(not(smcify_before_6_19))]
pub type SockAddr = crate::bindings::sockaddr_unsized;

/// This module, `THIS_MODULE`, a constant of the module's type from 7.3 on.
///
/// Context: any.
pub fn this_module() -> &'static ThisModule {
    #[cfg(smcify_before_7_3)]
    let module = &crate::THIS_MODULE;
    #[cfg(not(smcify_before_7_3))]
    let module = kernel::module::this_module::<crate::LocalModule>();
    module
}

/// [`kernel::configfs_attrs!`], which takes from the place where it is used, before 7.0 `c_str!`
/// and before 7.3 `THIS_MODULE`.
// The KUnit suites have no use for it.
#[allow(unused_macros)]
macro_rules! configfs_attrs {
    ($($attributes:tt)*) => {{
        #[cfg(smcify_before_7_3)]
        #[allow(unused_imports)]
        use {kernel::c_str, $crate::THIS_MODULE};
        kernel::configfs_attrs! { $($attributes)* }
    }};
}
#[allow(unused_imports)]
pub(crate) use configfs_attrs;
