// SPDX-License-Identifier: GPL-2.0
//! Rules about who is given SMC: each kind on every way and in every kind of program, which
//! one decides, what is refused and to whom, and rules that come and go under load.

mod churn;
mod kinds;
mod order;
mod refused;

pub use churn::churn;
pub use refused::intrude;

use super::Report;
use crate::kernel::facts::kernel;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use anyhow::Result;

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    // By every kind of program where lock debugging watches, too.
    if kernel()? == "fixed" {
        kinds::run(report)?;
    }
    order::run(report)?;
    refused::run(report)?;
    report.check(
        "without rules only fixes are hooked",
        smcify.hooks_only_fixes(),
    );
    report.check("rmmod", smcify.unload());
    report.check("nothing is left", nothing_left());
    Ok(())
}
