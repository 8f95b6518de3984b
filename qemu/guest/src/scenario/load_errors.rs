// SPDX-License-Identifier: GPL-2.0
//! A load that cannot work: one line says why, and nothing is left behind.

use super::Report;
use super::same;
use crate::kmsg::Follow;
use crate::module;
use crate::smcify::MODULE;
use crate::smcify::nothing_left;
use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use std::fs::write;

const FTRACE_ENABLED: &str = "/proc/sys/kernel/ftrace_enabled";

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    without_ftrace(report)
}

fn without_ftrace(report: &mut Report) -> Result<()> {
    write(FTRACE_ENABLED, "0").context("switching ftrace off")?;
    let mut log = Follow::now()?;
    let answer = module::try_load(MODULE);
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
