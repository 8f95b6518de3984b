// SPDX-License-Identifier: GPL-2.0
//! `smcify check`: ready, and not ready.

use super::Said;
use super::smcify;
use crate::kernel::smc;
use crate::kernel::smc::UEID;
use crate::scenario::Report;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

/// The line of `smcify check` on a subject.
pub fn checked(said: &Said, what: &str) -> Result<Value> {
    let json: Value = serde_json::from_str(&said.out)?;
    let lines = json["lines"].as_array().context("no lines")?;
    let line = lines.iter().find(|it| it["what"] == what);
    line.cloned()
        .with_context(|| format!("no line on {what}: {json}"))
}

/// Checks it.
pub fn run(report: &mut Report) {
    let state = |said: &Said, what: &str, state: &str| {
        let line = checked(said, what)?;
        ensure!(line["state"] == state, "not {state}: {line}");
        Ok(line)
    };
    let ready = || {
        let said = smcify("check --json")?;
        said.ends(0, &[])?;
        for what in [
            "smcify",
            "smc",
            "IPPROTO_SMC",
            "smc_diag",
            "SMC-D devices",
            "EID",
        ] {
            state(&said, what, "good")?;
        }
        Ok(())
    };
    report.check("ready", ready());
    let without = || {
        smc::remove_ueid(UEID)?;
        let said = smcify("check --json");
        smc::add_ueid(UEID)?;
        let said = said?;
        said.ends(6, &["smcify ueid add"])?;
        state(&said, "EID", "bad").map(drop)
    };
    report.check("not ready without a user EID", without());
}
