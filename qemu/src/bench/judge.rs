// SPDX-License-Identifier: GPL-2.0
//! Whether the numbers are good: their targets, and what was committed.

use crate::tally::Failure;
use crate::tally::Tally;

use super::results::Results;
use super::targets::Verdict;

/// The most that a number may be above the committed one, in percent.
const WORSE: f64 = 5.0;

/// What mostly waits until every task has slept, and so is not the same twice: a row's column.
const WAITS: (&str, &str) = ("rule-del", "last");

/// Counts the targets that are met, and says which are not.
pub fn targets(verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    for verdict in verdicts {
        if verdict.good() {
            tally.passed += 1;
            continue;
        }
        let Verdict {
            release,
            what,
            found,
            limit,
            unit,
        } = verdict;
        let what = format!("{what}: {found:.1} {unit}, may be {limit:.1}");
        tally.fail(Failure::new(release, &what, Vec::new()));
    }
    tally
}

/// Counts the numbers that are no worse than the committed ones, and says which are.
pub fn regressions(results: &Results, committed: Option<&Results>) -> Tally {
    let mut tally = Tally::default();
    let Some(committed) = committed else {
        tally.skip("bench", "regressions", "no results are committed".into());
        return tally;
    };
    for (release, rows) in &results.0 {
        for (name, row) in rows {
            for (column, value) in row {
                if (name.as_str(), column.as_str()) == WAITS {
                    continue;
                }
                let before = committed.0.get(release).and_then(|it| it.get(name));
                let Some(before) = before.and_then(|it| it.get(column)) else {
                    continue;
                };
                if *value <= before * (1.0 + WORSE / 100.0) {
                    tally.passed += 1;
                    continue;
                }
                let worse = (value / before - 1.0) * 100.0;
                let what = format!("{name}, {column}: {value}, was {before}: {worse:.1} % more");
                tally.fail(Failure::new(release, &what, Vec::new()));
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_five_percent_is_a_failure() {
        let of = |value: f64| {
            let said = format!("bench: {{\"row\":\"a\",\"column\":\"b\",\"value\":{value}}}");
            Results::read("7.2", &said).expect("a number")
        };
        let judged = |now: f64| regressions(&of(now), Some(&of(1000.0)));
        assert!(judged(1050.0).good());
        assert!(judged(500.0).good());
        let failed = judged(1051.0);
        assert_eq!(failed.failures.len(), 1);
        assert_eq!(failed.failures[0].what, "a, b: 1051, was 1000: 5.1 % more");
        assert_eq!(regressions(&of(1.0), None).skipped.len(), 1);
    }
}
