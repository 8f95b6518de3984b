// SPDX-License-Identifier: GPL-2.0

//! The handshake hook: whether a SYN or a SYN-ACK carries the SMC option.
//!
//! Logic. Without the option the peer sees ordinary TCP at once: neither side waits for the
//! other to decline. The kernel asks about SMC sockets only, on the host that connects before
//! it sends the SYN, and on the one that listens before it answers a SYN that had the option.

use core::cell::OnceCell;
use core::fmt;

use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::sync::Arc;

use crate::label::Label;
use crate::net::hs_ctrl::{
    self,
    HsCtrl, //
};
use crate::net::{
    Connection,
    NetDevice, //
};
use crate::policy::Action;
use crate::rules::Rules;
use crate::selector::{
    Ends,
    Handshake, //
};

/// Who decides.
pub trait Judge: Send + Sync + 'static {
    /// Whether the SYN or SYN-ACK of `connection` is to carry the SMC option. Asked for each
    /// one that is sent; no more, once the answer has been no.
    ///
    /// Context: process context or softirq, under RCU: must not sleep.
    #[cfg_attr(not(CONFIG_SMC_HS_CTRL_BPF), allow(dead_code))]
    fn smc(&self, connection: &Connection<'_>, guard: &rcu::Guard) -> bool;
}

impl Judge for Arc<Rules> {
    fn smc(&self, connection: &Connection<'_>, guard: &rcu::Guard) -> bool {
        let asked = Asked {
            connection,
            guard,
            dev: OnceCell::new(),
        };
        self.handshake(&asked, guard) == Action::Smc
    }
}

/// A connection that rules are looked up for.
struct Asked<'a> {
    connection: &'a Connection<'a>,
    guard: &'a rcu::Guard,
    /// Found out once, for all rules that want to know.
    dev: OnceCell<Option<Label>>,
}

impl Handshake for Asked<'_> {
    #[inline]
    fn ends(&self) -> Ends {
        self.connection.ends
    }

    fn port(&self) -> u16 {
        self.connection.port
    }

    fn dev(&self) -> Option<Label> {
        let egress = || self.connection.egress(self.guard).map(NetDevice::name);
        *self.dev.get_or_init(egress)
    }
}

/// Network namespaces, by whose hs_ctrl they have. Those without any are in neither count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Ours.
    pub published: usize,
    /// Somebody else's.
    pub taken: usize,
}

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
