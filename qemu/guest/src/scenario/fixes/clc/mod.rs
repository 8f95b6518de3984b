// SPDX-License-Identifier: GPL-2.0
//! What an SMC listener makes of the prefixes in a CLC Proposal: `smc_clc_prfx_match()` or
//! what stands in for it. The client is our own, in a network namespace of its own, so that
//! the connection comes by a device that has addresses and can go away.

mod churn;
mod client;
mod model;
mod mutate;
mod mutations;
mod street;
mod table;

pub use mutations::mutations;
pub use street::Street;
pub use table::keep_on;

use crate::scenario::Report;
use crate::smcify::Smcify;
use anyhow::Result;

/// The kernel's function.
pub const MATCH: &str = "smc_clc_prfx_match";

/// The scenario, without smcify or with it.
pub fn run(report: &mut Report, with: bool) -> Result<()> {
    let smcify = with.then(Smcify::load).transpose()?;
    if let Some(smcify) = &smcify {
        report.check("smcify is in force", smcify.has_fixed(MATCH));
    }
    let street = Street::build()?;
    table::run(report, &street)?;
    churn::run(report, &street)?;
    table::after_all(report, &street);
    street.close()
}
