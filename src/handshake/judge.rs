// SPDX-License-Identifier: GPL-2.0

//! What the rules say of a handshake.
//!
//! Logic.

use core::cell::OnceCell;

use kernel::sync::rcu;
use kernel::sync::Arc;

use crate::compat::label::Label;
use crate::net::hs_ctrl::Judge;
use crate::net::{
    Connection,
    NetDevice, //
};
use crate::rules::policy::Action;
use crate::rules::selector::{
    Ends,
    Handshake, //
};
use crate::rules::Rules;

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
