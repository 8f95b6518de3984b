// SPDX-License-Identifier: GPL-2.0
//! A load that cannot work: one line says why, and nothing is left behind.

use super::Report;
use super::SMCIFY;
use super::same;
use crate::kmsg::Follow;
use crate::module;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use std::fs::read_to_string;
use std::fs::write;
use std::path::Path;

const FTRACE_ENABLED: &str = "/proc/sys/kernel/ftrace_enabled";
const CONFIG: &str = "/sys/kernel/config/smcify";
const HOOKED: &str = "/sys/kernel/tracing/enabled_functions";

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    without_ftrace(report)
}

fn without_ftrace(report: &mut Report) -> Result<()> {
    write(FTRACE_ENABLED, "0").context("switching ftrace off")?;
    let mut log = Follow::now()?;
    let answer = module::try_load(SMCIFY);
    write(FTRACE_ENABLED, "1").context("switching ftrace on")?;
    report.check(
        "ftrace off: EOPNOTSUPP",
        same("insmod", Err(Errno::EOPNOTSUPP), answer?),
    );
    report.check("ftrace off: one line says why", one_error(&log.lines()));
    report.check("ftrace off: nothing is left", nothing_left());
    Ok(())
}

fn one_error(log: &[String]) -> Result<()> {
    let ours: Vec<_> = log.iter().filter(|l| l.starts_with("smcify:")).collect();
    same("lines by smcify in the kernel log", 1, ours.len()).with_context(|| format!("{ours:?}"))
}

fn nothing_left() -> Result<()> {
    ensure!(!Path::new(CONFIG).exists(), "{CONFIG} is still there");
    ensure!(!module::is_loaded("smcify"), "smcify is still loaded");
    let hooked = read_to_string(HOOKED)?;
    ensure!(hooked.is_empty(), "functions still hooked:\n{hooked}");
    Ok(())
}
