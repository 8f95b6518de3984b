// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of smcify: its own files, compiled once more, run inside the kernel.
//!
//! Test-only: loading this module runs the suites; it holds nothing afterwards.

use kernel::prelude::*;

#[path = "../src/bindings.rs"]
mod bindings;
#[path = "../src/hook.rs"]
pub mod hook;
#[path = "../src/net/mod.rs"]
pub mod net;
#[path = "../src/policy.rs"]
pub mod policy;
#[path = "../src/stats.rs"]
pub mod stats;
#[path = "../src/trace/mod.rs"]
pub mod trace;

mod hook_test;
mod policy_test;
mod trace_test;

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
