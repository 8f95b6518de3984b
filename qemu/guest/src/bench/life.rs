// SPDX-License-Identifier: GPL-2.0
//! What loading, unloading, attaching and detaching take, and the size of the module.

use super::tell;
use super::typical;
use crate::smcify::MODULE;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use std::fs::metadata;
use std::fs::read_to_string;
use std::time::Instant;

const TIMES: usize = 10;
/// What the module takes in memory, in bytes.
const CORE: &str = "/sys/module/smcify/coresize";

/// Each several times.
pub fn life() -> Result<()> {
    let [mut insmod, mut add, mut del, mut rmmod] = [const { Vec::new() }; 4];
    let mut size = String::new();
    for _ in 0..TIMES {
        let smcify = timed(&mut insmod, Smcify::load)?;
        let rule = timed(&mut add, || Rule::add("uid:100000"))?;
        timed(&mut del, || {
            drop(rule);
            Ok(())
        })?;
        size = read_to_string(CORE).context(CORE)?;
        timed(&mut rmmod, || smcify.unload())?;
    }
    tell("module", "memory", size.trim_end().parse()?)?;
    tell("insmod", "time", typical(insmod))?;
    tell("rmmod", "time", typical(rmmod))?;
    tell("rule-add", "first", typical(add))?;
    tell("rule-del", "last", typical(del))?;
    tell("module", "file", metadata(MODULE)?.len() as f64)
}

fn timed<T>(taken: &mut Vec<f64>, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let result = run()?;
    taken.push(begun.elapsed().as_nanos() as f64);
    Ok(result)
}
