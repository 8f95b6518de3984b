// SPDX-License-Identifier: GPL-2.0

//! What an hs_ctrl asks, and where it is published.
//!
//! Logic: what `hs_ctrl.rs` and its stand-in for older kernels have in common.

use kernel::sync::rcu;

use super::Connection;

/// Who decides.
pub trait Judge: Send + Sync + 'static {
    /// Whether the SYN or SYN-ACK of `connection` is to carry the SMC option. Asked for each
    /// one that is sent; no more, once the answer has been no.
    ///
    /// Context: process context or softirq, under RCU: must not sleep.
    #[cfg_attr(not(CONFIG_SMC_HS_CTRL_BPF), allow(dead_code))]
    fn smc(&self, connection: &Connection<'_>, guard: &rcu::Guard) -> bool;
}

/// Network namespaces, by whose hs_ctrl they have. Those without any are in neither count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Ours.
    pub published: usize,
    /// Somebody else's.
    pub taken: usize,
}
