// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of smcify: its own files, compiled once more, run inside the kernel.
//!
//! Test-only: loading this module runs the suites; it holds nothing afterwards.

#![deny(missing_docs)]

use kernel::prelude::*;

#[path = "../src/bindings.rs"]
mod bindings;
#[path = "../src/clc.rs"]
pub mod clc;
#[path = "../src/fixes.rs"]
pub mod fixes;
#[path = "../src/hook.rs"]
pub mod hook;
#[path = "../src/net/mod.rs"]
pub mod net;
#[path = "../src/policy.rs"]
pub mod policy;
#[path = "../src/prefix_match.rs"]
pub mod prefix_match;
#[path = "../src/stats.rs"]
pub mod stats;
#[path = "../src/trace/mod.rs"]
pub mod trace;

mod calls;
mod class_test;
mod fixes_test;
mod hook_test;
mod net_test;
mod policy_test;
mod prefix_match_test;
mod trace_test;
mod window;

module! {
    type: SmcifyKunit,
    name: "smcify_kunit",
    authors: ["The smcify developers"],
    description: "KUnit suites of smcify",
    license: "GPL",
}

struct SmcifyKunit;

impl kernel::Module for SmcifyKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
