// SPDX-License-Identifier: GPL-2.0
//! SMC over netlink: its sockets, its settings and counters. The `smcify` command and the
//! lab's guests both ask through this.

#![forbid(unsafe_code)]

pub mod diag;
pub mod inet;
pub mod reason;
pub mod request;
pub mod smc;
