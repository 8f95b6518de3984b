// SPDX-License-Identifier: GPL-2.0
//! Waiting for what the kernel does in its own time.

use anyhow::Result;
use anyhow::ensure;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(15);
const EVERY: Duration = Duration::from_millis(10);

/// Waits until `done`; `what` names what is waited for.
pub fn until(what: &str, done: impl FnMut() -> Result<bool>) -> Result<()> {
    until_within(PATIENCE, what, done)
}

/// The same with another limit.
pub fn until_within(
    limit: Duration,
    what: &str,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        ensure!(begun.elapsed() < limit, "{what} does not come");
        sleep(EVERY);
    }
    Ok(())
}
