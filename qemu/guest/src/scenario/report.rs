// SPDX-License-Identifier: GPL-2.0
//! What a scenario has found.

use crate::kernel::ktap::Level;
use crate::kernel::ktap::Outcome;
use anyhow::Result;
use anyhow::bail;
use std::fmt::Display;

/// Where a scenario says what holds. An `Err` from its function ends it early.
pub struct Report(pub Level);

impl Report {
    /// Reports that `name` holds, or why not; the scenario goes on either way.
    pub fn check(&mut self, name: impl AsRef<str>, result: Result<()>) {
        let outcome = match result {
            Ok(()) => Outcome::Passed,
            Err(e) => Outcome::Failed(format!("{e:#}")),
        };
        self.0.result(name.as_ref(), &outcome);
    }

    /// Passes on how `name` ended elsewhere.
    pub fn outcome(&mut self, name: &str, outcome: &Outcome) {
        self.0.result(name, outcome);
    }

    /// Reports the test `name`, which consists of what `run` reports.
    pub fn group(&mut self, name: &str, run: impl FnOnce(&mut Report)) {
        let mut inner = Report(self.0.nested(name));
        run(&mut inner);
        self.0.result(name, &inner.verdict());
    }

    /// The same, and an error ends it early.
    pub fn part(&mut self, name: &str, run: impl FnOnce(&mut Report) -> Result<()>) {
        self.group(name, |report| {
            if let Err(e) = run(report) {
                report.check("runs to its end", Err(e));
            }
        });
    }

    pub fn verdict(&self) -> Outcome {
        match (self.0.failed(), self.0.done()) {
            (_, 0) => Outcome::Failed("nothing was checked".into()),
            (0, _) => Outcome::Passed,
            (failed, done) => Outcome::Failed(format!("{failed} of {done} failed")),
        }
    }

    /// A line that explains.
    pub fn note(&self, text: impl Display) {
        self.0.note(text);
    }
}

/// Fails unless both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Result<()> {
    if expected != found {
        bail!("{what}: expected {expected:?}, found {found:?}");
    }
    Ok(())
}
