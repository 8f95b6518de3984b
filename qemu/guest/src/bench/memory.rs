// SPDX-License-Identifier: GPL-2.0
//! Kernel memory that rules take, beyond what configfs takes for any directory.

use anyhow::Context;
use anyhow::Result;
use std::fs::read_to_string;
use std::thread::sleep;
use std::time::Duration;

const MEMINFO: &str = "/proc/meminfo";
const SLABINFO: &str = "/proc/slabinfo";
/// configfs' own, of those that are not given back under pressure.
const CONFIGFS: &str = "configfs_dir_cache";
/// Until RCU has freed what was replaced.
const GRACE: Duration = Duration::from_secs(1);

/// Memory of the kind that rules are in, in bytes: differences count.
pub fn of_rules() -> Result<f64> {
    sleep(GRACE);
    let meminfo = read_to_string(MEMINFO).context(MEMINFO)?;
    let kib = |name: &str| number(&meminfo, name, 1).with_context(|| format!("{MEMINFO}: {name}"));
    let slabinfo = read_to_string(SLABINFO).context(SLABINFO)?;
    let of_configfs = |at| number(&slabinfo, CONFIGFS, at).context(CONFIGFS);
    // Objects, and the size of one.
    let configfs = of_configfs(2)? * of_configfs(3)?;
    Ok((kib("SUnreclaim:")? + kib("VmallocUsed:")?) * 1024.0 - configfs)
}

/// The word at place `at` of the line that begins with the word `name`, a number.
fn number(text: &str, name: &str, at: usize) -> Option<f64> {
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let mut lines = text.lines().map(words);
    let line = lines.find(|line| line.first().is_some_and(|it| it == name))?;
    line.get(at)?.parse().ok()
}
