// SPDX-License-Identifier: GPL-2.0

//! Bindings of the socket layer: from a socket by its route to the device that it leaves
//! by, and to that device's addresses.
//!
//! One rule, made a type: what a route says of its device holds inside one RCU section.
//! So a [`NetDevice`] is only to be had from a [`Dst`], in one load, under an
//! [`rcu::Guard`](kernel::sync::rcu::Guard), and is borrowed from that guard. Who needs it
//! for longer takes an [`ARef`] of it while the guard is held. What `smc_clc_prfx_match()`
//! and its siblings did up to 6.17, to test one load and use another, or to keep the
//! device after the section, does not compile: `kunit/compile_fail/` has each as a case.

#[forbid(unsafe_code)]
pub mod clc;
#[cfg_attr(not(CONFIG_SMC_HS_CTRL_BPF), allow(dead_code))]
mod connection;
#[cfg_attr(not(CONFIG_SMC_HS_CTRL_BPF), allow(dead_code))]
mod device;
mod dst;
// All that depends on whether the kernel has the handshake hook.
#[cfg_attr(not(CONFIG_SMC_HS_CTRL_BPF), path = "no_hs_ctrl.rs")]
pub mod hs_ctrl;
mod inet;
#[forbid(unsafe_code)]
mod judge;
mod sock;
mod socket;

pub use crate::compat::version::{
    ARef,
    AlwaysRefCounted, //
};
pub use connection::Connection;
pub use device::NetDevice;
pub use dst::Dst;
pub use inet::{
    InDevice,
    Inet6Dev, //
};
pub use sock::Sock;
pub use socket::Socket;
