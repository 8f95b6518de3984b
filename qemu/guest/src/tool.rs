// SPDX-License-Identifier: GPL-2.0
//! Debian's ip and rdma, for what is set up once and not worth netlink messages.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::process::Command;

/// Runs a line of words, which must succeed.
pub fn tool(line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let program = words.next().context("no program")?;
    let output = Command::new(program).args(words).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", said.trim_end());
    Ok(())
}
