// SPDX-License-Identifier: GPL-2.0
//! What passed, failed and was skipped, and how that is told.

use std::fmt::Write;

/// Lines of a failure that are shown; the whole is in the logs.
const LONGEST: usize = 60;

/// One failed test, or a report of the kernel.
#[derive(Debug)]
pub struct Failure {
    /// Where: a guest's kernel, or the host.
    pub place: String,
    pub what: String,
    pub excerpt: Vec<String>,
}

impl Failure {
    pub fn new(place: &str, what: &str, excerpt: Vec<String>) -> Failure {
        Failure {
            place: place.into(),
            what: what.into(),
            excerpt,
        }
    }
}

/// The sum of many tests.
#[derive(Debug, Default)]
pub struct Tally {
    pub passed: usize,
    pub failures: Vec<Failure>,
    pub skipped: Vec<String>,
}

impl Tally {
    pub fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    pub fn skip(&mut self, place: &str, name: &str, why: String) {
        self.skipped.push(format!("{place}: {name}: {why}"));
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.skipped.extend(other.skipped);
    }

    /// Whether something was tested and nothing failed.
    pub fn good(&self) -> bool {
        self.passed > 0 && self.failures.is_empty()
    }

    /// The failures with what is known of them; the last line has the numbers.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for skipped in &self.skipped {
            let _ = writeln!(text, "skipped  {skipped}");
        }
        for failure in &self.failures {
            let _ = writeln!(text, "FAILED   {}: {}", failure.place, failure.what);
            for line in failure.excerpt.iter().take(LONGEST) {
                let _ = writeln!(text, "    {line}");
            }
            if failure.excerpt.len() > LONGEST {
                let _ = writeln!(text, "    … {} more lines", failure.excerpt.len() - LONGEST);
            }
        }
        let _ = write!(
            text,
            "{} passed, {} failed",
            self.passed,
            self.failures.len()
        );
        if !self.skipped.is_empty() {
            let _ = write!(text, ", {} skipped", self.skipped.len());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_numbers() {
        let mut tally = Tally {
            passed: 3,
            ..Tally::default()
        };
        assert_eq!(tally.report(), "3 passed, 0 failed");
        tally.fail(Failure::new("fixed", "vfs", vec!["why".into()]));
        tally.skip("host", "x", "no x".into());
        let report = tally.report();
        assert!(
            report.contains("FAILED   fixed: vfs\n    why\n"),
            "{report}"
        );
        assert!(
            report.ends_with("\n3 passed, 1 failed, 1 skipped"),
            "{report}"
        );
    }

    #[test]
    fn nothing_tested_is_not_good() {
        assert!(!Tally::default().good());
    }
}
