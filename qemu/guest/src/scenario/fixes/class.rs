// SPDX-License-Identifier: GPL-2.0
//! The class of bugs, without SMC: a reader keeps the device that a route names, and the device
//! is deleted before it is used. Both readers are KUnit suites, which have the device deleted
//! themselves, at the same point.

use crate::kernel::ktap::Outcome;
use crate::kernel::net;
use crate::scenario::Report;
use crate::scenario::loading::kunit;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::write;
use std::net::Ipv4Addr;

/// The device, and its address: the readers connect to the next.
const DEVICE: &str = "smcify0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 1);

/// Which of a module's suites KUnit runs.
const FILTER: &str = "/sys/module/kunit/parameters/filter_glob";
const ALL: &str = "*";

/// The reader that keeps the bare pointer.
const KEPT: &str = "smcify_kept";
/// The one that counts.
const COUNTED: &str = "smcify_class";

/// The reader that keeps the bare pointer. KUnit fails a test that KASAN reports.
pub fn without(report: &mut Report) -> Result<()> {
    device()?;
    for (suite, cases) in kunit::results(&format!("/modules/{KEPT}.ko"), KEPT)? {
        for (case, outcome) in cases {
            report.check(format!("{suite}.{case} is not ok"), failed(&outcome));
        }
    }
    Ok(())
}

/// The one that counts.
pub fn with(report: &mut Report) -> Result<()> {
    device()?;
    filter(COUNTED)?;
    let suites = kunit::results(kunit::MODULE, kunit::NAME);
    filter(ALL)?;
    kunit::pass_on(report, suites?);
    Ok(())
}

fn failed(outcome: &Outcome) -> Result<()> {
    ensure!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    Ok(())
}

fn filter(suites: &str) -> Result<()> {
    write(FILTER, suites).context(FILTER)
}

/// Makes the device. It is the readers that delete it.
pub fn device() -> Result<()> {
    net::add_dummy(DEVICE)?;
    net::without_ipv6(DEVICE)?;
    net::up(DEVICE)?;
    net::add_address(DEVICE, ADDRESS.into(), 24)
}
