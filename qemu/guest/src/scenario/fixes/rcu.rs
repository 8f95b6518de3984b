// SPDX-License-Identifier: GPL-2.0
//! RCU: what was given to it to be freed is freed.

use anyhow::Context;
use anyhow::Result;
use std::fs::write;

const BARRIER: &str = "/sys/module/rcutree/parameters/do_rcu_barrier";

/// Waits until all RCU callbacks of before have run.
pub fn barrier() -> Result<()> {
    write(BARRIER, "1").context(BARRIER)
}
