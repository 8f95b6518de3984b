// SPDX-License-Identifier: GPL-2.0
//! Waiting for what the kernel does in its own time.

use anyhow::Result;
use anyhow::ensure;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// Longer than anything here takes on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(10);

/// Waits until `done`; `what` names what is waited for.
pub fn until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        ensure!(begun.elapsed() < PATIENCE, "{what} does not come");
        sleep(EVERY);
    }
    Ok(())
}
