// SPDX-License-Identifier: GPL-2.0

//! Binding, without any: in the place of `hs_ctrl.rs` on kernels that have no `struct
//! smc_hs_ctrl`, those before 6.19 or built without `CONFIG_SMC_HS_CTRL_BPF`.

use core::convert::Infallible;
use core::marker::PhantomData;

use kernel::prelude::*;

pub use super::judge::{
    Judge,
    Places, //
};

/// Whether the kernel has the hook.
pub const SUPPORTED: bool = false;

/// What cannot be there.
pub struct HsCtrl<J: Judge>(Infallible, PhantomData<J>);

impl<J: Judge> HsCtrl<J> {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`.
    ///
    /// Context: any.
    pub fn publish(_judge: J) -> Result<Pin<KBox<Self>>> {
        Err(Error::from_errno(-(kernel::bindings::EOPNOTSUPP as c_int)))
    }

    /// Never called.
    pub fn places(&self) -> Places {
        match self.0 {}
    }
}
