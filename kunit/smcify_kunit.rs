// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of smcify: its own files, compiled once more, run inside the kernel.
//!
//! Test-only: loading this module runs the suites; it holds nothing afterwards.

#![deny(missing_docs)]

use kernel::prelude::*;

#[path = "../src/bindings/mod.rs"]
mod bindings;
#[path = "../src/compat/mod.rs"]
pub mod compat;
#[path = "../src/fixes/mod.rs"]
pub mod fixes;
#[path = "../src/handshake/mod.rs"]
pub mod handshake;
#[path = "../src/hook/mod.rs"]
pub mod hook;
#[path = "../src/net/mod.rs"]
pub mod net;
#[path = "../src/rules/mod.rs"]
pub mod rules;
#[path = "../src/trace/mod.rs"]
pub mod trace;

mod calls;
mod class_test;
mod fixes_test;
mod handshake_test;
mod hook_test;
#[cfg(CONFIG_SMC_HS_CTRL_BPF)]
mod hs_ctrl;
mod net_test;
mod policy_test;
mod prefix_match_test;
mod rules_test;
mod trace_test;
mod window;

module! {
    type: SmcifyKunit,
    name: "smcify_kunit",
    authors: ["The smcify developers"],
    description: "KUnit suites of smcify",
    license: "GPL",
}

/// What loading leaves: nothing but a wait at the end.
pub struct SmcifyKunit {
    /// Dropped when the suites have long ended.
    _callbacks: compat::rcu::Callbacks,
}

impl kernel::Module for SmcifyKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _callbacks: compat::rcu::Callbacks,
        })
    }
}
