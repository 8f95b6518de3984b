// SPDX-License-Identifier: GPL-2.0
//! Real programs between two guests, and CPython's own tests in one. What comes of each goes to
//! the lab as a line of JSON, which judges the differences.

use super::Report;
use super::same;
use super::wire::rdma_is_ready;
use crate::cpython;
use crate::net::address;
use crate::peer::Peer;
use crate::programs;
use crate::smcify::Smcify;
use crate::trial::TRIALS;
use anyhow::Result;
use anyhow::ensure;
use guest::TRIED;
use guest::Tried;

/// The scenario of two guests: servers on guest 0, clients on guest 1.
pub fn wire(report: &mut Report, name: &'static str) -> Result<()> {
    Peer::with(name, |peer| {
        programs::mount_all()?;
        let _smcify = Smcify::load()?;
        rdma_is_ready(peer)?;
        for trial in TRIALS {
            let tried = trial.apart(peer, address(0, false))?;
            match tried {
                Some(tried) => told(report, &tried),
                None => report.check(trial.name, Ok(())),
            }
        }
        Ok(())
    })
}

/// The scenario of one guest.
pub fn suites(report: &mut Report) -> Result<()> {
    programs::mount_all()?;
    let _smcify = Smcify::load()?;
    for suite in &cpython::SUITES {
        told(report, &cpython::tried(suite)?);
    }
    Ok(())
}

/// Tells the lab. With TCP, a program has to do what it does anywhere.
fn told(report: &mut Report, tried: &Tried) {
    let json = serde_json::to_string(tried).unwrap_or_default();
    report.note(format!("{TRIED}{json}"));
    let with_tcp = || {
        ensure!(tried.tcp.good, "{}", tried.tcp.result);
        ensure!(tried.tcp.opened > 0, "nobody connected");
        same("SMC connections", 0, tried.tcp.smcd + tried.tcp.smcr)
    };
    report.check(&tried.program, with_tcp());
}
