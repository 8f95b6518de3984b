// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of smcify: its own files, compiled once more, run inside the kernel.
//!
//! Test-only: loading this module runs the suites; it holds nothing afterwards.

#![deny(missing_docs)]

use kernel::prelude::*;

#[path = "../src/array.rs"]
pub mod array;
#[path = "../src/bindings.rs"]
mod bindings;
#[path = "../src/clc.rs"]
pub mod clc;
#[path = "../src/fixes.rs"]
pub mod fixes;
#[path = "../src/handshake.rs"]
pub mod handshake;
#[path = "../src/hook.rs"]
pub mod hook;
#[path = "../src/label.rs"]
pub mod label;
#[cfg(CONFIG_SMC_HS_CTRL_BPF)]
#[path = "../src/log.rs"]
pub mod log;
#[path = "../src/name.rs"]
pub mod name;
#[path = "../src/net/mod.rs"]
pub mod net;
#[path = "../src/policy.rs"]
pub mod policy;
#[path = "../src/prefix_match.rs"]
pub mod prefix_match;
#[path = "../src/rcu.rs"]
pub mod rcu;
#[path = "../src/rules.rs"]
pub mod rules;
#[path = "../src/selector.rs"]
pub mod selector;
#[path = "../src/stats.rs"]
pub mod stats;
#[path = "../src/table.rs"]
pub mod table;
#[path = "../src/task.rs"]
pub mod task;
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

struct SmcifyKunit {
    /// Dropped when the suites have long ended.
    _callbacks: rcu::Callbacks,
}

impl kernel::Module for SmcifyKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _callbacks: rcu::Callbacks,
        })
    }
}
