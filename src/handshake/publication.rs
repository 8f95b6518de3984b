// SPDX-License-Identifier: GPL-2.0

//! Whether the handshake hook is published, and where.
//!
//! Logic.

use core::fmt;

use kernel::prelude::*;

use crate::net::hs_ctrl::{
    self,
    HsCtrl,
    Judge,
    Places, //
};

/// The hook, published while there is something to decide.
pub struct Publication<J: Judge>(Option<Pin<KBox<HsCtrl<J>>>>);

impl<J: Judge> Publication<J> {
    /// Whether the running kernel has it.
    pub const SUPPORTED: bool = hs_ctrl::SUPPORTED;

    /// Not published.
    pub const fn idle() -> Self {
        Self(None)
    }

    /// Publishes it, if it is not: on return, every connection of SMC sockets is judged, in
    /// every network namespace, now and in future, in which nobody else decides.
    ///
    /// # Errors
    ///
    /// Those of [`HsCtrl::publish`].
    ///
    /// Context: process context, may sleep.
    pub fn publish(&mut self, judge: impl FnOnce() -> J) -> Result {
        if self.0.is_none() {
            self.0 = Some(HsCtrl::publish(judge())?);
        }
        Ok(())
    }

    /// Takes it back: on return the judge is not asked any more, and dropped.
    ///
    /// Context: process context, may sleep.
    pub fn withdraw(&mut self) {
        self.0 = None;
    }
}

impl<J: Judge> fmt::Display for Publication<J> {
    /// `absent`, `idle`, or in how many namespaces it is, and is not, as of now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None if Self::SUPPORTED => f.write_str("idle"),
            None => f.write_str("absent"),
            Some(hs_ctrl) => {
                let Places { published, taken } = hs_ctrl.places();
                write!(f, "published {published} taken {taken}")
            }
        }
    }
}
