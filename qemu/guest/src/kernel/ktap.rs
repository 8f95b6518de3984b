// SPDX-License-Identifier: GPL-2.0
//! Results as KTAP, version 1: what the kernel's `kunit.py parse` reads.

use std::fmt::Display;
use std::io::Write;

/// How a test ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, for this reason.
    Failed(String),
    /// It could not be tried, for this reason.
    Skipped(String),
}

/// One level of tests: their results in order, then their number.
pub struct Level {
    indent: usize,
    done: usize,
    failed: usize,
}

impl Level {
    /// The outermost level, of `planned` tests.
    pub fn top(planned: usize) -> Self {
        line(0, "KTAP version 1");
        line(0, &format!("1..{planned}"));
        Self::at(0)
    }

    fn at(indent: usize) -> Self {
        Self {
            indent,
            done: 0,
            failed: 0,
        }
    }

    /// Opens the level of the subtests of the test `name`. It ends, without a plan, with
    /// that test's own result.
    pub fn nested(&self, name: &str) -> Self {
        let level = Self::at(self.indent + 1);
        line(level.indent, "KTAP version 1");
        level.note(format!("Subtest: {name}"));
        level
    }

    /// A diagnostic line.
    pub fn note(&self, text: impl Display) {
        for text in text.to_string().lines() {
            line(self.indent, &format!("# {text}"));
        }
    }

    /// The result of the next test.
    pub fn result(&mut self, name: &str, outcome: &Outcome) {
        self.done += 1;
        let number = self.done;
        match outcome {
            Outcome::Passed => line(self.indent, &format!("ok {number} {name}")),
            Outcome::Skipped(why) => {
                line(self.indent, &format!("ok {number} {name} # SKIP {why}"));
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                self.note(why);
                line(self.indent, &format!("not ok {number} {name}"));
            }
        }
    }

    /// How many failed so far.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// How many there were so far.
    pub fn done(&self) -> usize {
        self.done
    }
}

fn line(indent: usize, text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is noticed by whoever closed it.
    let _ = writeln!(out, "{:width$}{text}", "", width = indent * 2);
    let _ = out.flush();
}
