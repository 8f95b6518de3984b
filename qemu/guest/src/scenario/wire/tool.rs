// SPDX-License-Identifier: GPL-2.0
//! Debian's ip, tc and rdma, for what is not worth netlink messages.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::process::Command;

/// Runs a line of words, which must succeed; what it prints.
pub fn tool(line: &str) -> Result<Vec<u8>> {
    let mut words = line.split_whitespace();
    let program = words.next().context("no program")?;
    let output = Command::new(program).args(words).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", said.trim_end());
    Ok(output.stdout)
}
