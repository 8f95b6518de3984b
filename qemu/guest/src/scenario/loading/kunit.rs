// SPDX-License-Identifier: GPL-2.0
//! The KUnit suites, which run when their module is loaded.

use crate::kernel::ktap::Outcome;
use crate::kernel::module;
use crate::kernel::net;
use crate::scenario::Report;
use crate::scenario::fixes::class;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::read_dir;
use std::fs::read_to_string;

pub const MODULE: &str = "/modules/smcify_kunit.ko";
pub const NAME: &str = "smcify_kunit";
const RESULTS: &str = "/sys/kernel/debug/kunit";

/// A device that nothing else uses, and the addresses that `kunit/net_test.rs` expects of it.
const DEVICE: &str = "dummy0";
const ADDRESSES: [(&str, u8); 7] = [
    ("198.51.100.1", 24),
    ("198.51.100.130", 25),
    ("203.0.113.4", 31),
    ("192.0.2.1", 32),
    ("2001:db8:1::1", 64),
    ("2001:db8:2::1", 48),
    ("2001:db8:3::1", 128),
];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    net::up(DEVICE)?;
    for (address, prefix) in ADDRESSES {
        net::add_address(DEVICE, address.parse()?, prefix)?;
    }
    class::device()?;
    pass_on(report, results(MODULE, NAME)?);
    Ok(())
}

/// A suite's name, and its cases with their outcomes.
pub type Suite = (String, Vec<(String, Outcome)>);

/// What the suites of a module report, which run when it is loaded.
pub fn results(path: &str, name: &str) -> Result<Vec<Suite>> {
    module::load(path)?;
    let suites = suites();
    module::unload(name)?;
    let suites =
        suites.context("results of KUnit; is kunit.enable=1 and CONFIG_KUNIT_DEBUGFS=y?")?;
    ensure!(!suites.is_empty(), "no suite has run");
    let parsed = |(suite, text): (String, String)| (suite, cases(&text));
    Ok(suites.into_iter().map(parsed).collect())
}

/// Makes them the scenario's results.
pub fn pass_on(report: &mut Report, suites: Vec<Suite>) {
    for (suite, cases) in suites {
        report.group(&suite, |report| {
            for (name, outcome) in &cases {
                report.outcome(name, outcome);
            }
        });
    }
}

/// Each suite's name and its results, as the kernel gives them.
fn suites() -> Result<Vec<(String, String)>> {
    let mut suites = Vec::new();
    for entry in read_dir(RESULTS).with_context(|| RESULTS)? {
        let entry = entry?;
        let path = entry.path().join("results");
        let name = entry.file_name().to_string_lossy().into_owned();
        // The kernel may have suites of its own.
        if !name.starts_with("smcify") || !path.exists() {
            continue;
        }
        let text = read_to_string(&path).with_context(|| path.display().to_string())?;
        suites.push((name, text));
    }
    suites.sort();
    Ok(suites)
}

/// The cases of a suite: one level below its own result. What a case has printed goes
/// with its failure.
fn cases(text: &str) -> Vec<(String, Outcome)> {
    let mut cases = Vec::new();
    let mut said = Vec::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("    ") else {
            continue;
        };
        let Some((good, name)) = result(line) else {
            said.extend(diagnostic(line));
            continue;
        };
        let outcome = match (good, name.split_once(" # SKIP")) {
            (_, Some((_, why))) => Outcome::Skipped(why.trim().to_owned()),
            (true, None) => Outcome::Passed,
            (false, None) => Outcome::Failed(said.join("\n")),
        };
        let name = name.split(" # ").next().unwrap_or(name);
        cases.push((name.to_owned(), outcome));
        said.clear();
    }
    cases
}

/// What a line says, unless it is one of KTAP's own.
fn diagnostic(line: &str) -> Option<String> {
    let text = line.trim().trim_start_matches("# ");
    let own = ["KTAP version", "Subtest:", "1.."];
    let is_own = own.iter().any(|start| text.starts_with(start));
    (!is_own).then(|| text.to_owned())
}

/// Whether a line `ok 1 NAME` or `not ok 1 NAME` is good, and the name.
fn result(line: &str) -> Option<(bool, &str)> {
    let (good, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let (_, name) = rest.split_once(' ')?;
    Some((good, name.trim_start_matches("- ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_one_level_down() {
        let text = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: smcify\n    1..3\n    \
                    ok 1 first\n    # second: expected 6\n        ok 1 a parameter\n    \
                    not ok 2 second\n    ok 3 third # SKIP not here\nnot ok 1 smcify\n";
        let cases = cases(text);
        assert_eq!(cases.len(), 3);
        assert_eq!(cases[0], ("first".into(), Outcome::Passed));
        let Outcome::Failed(why) = &cases[1].1 else {
            panic!("{cases:?}");
        };
        assert!(why.contains("expected 6"));
        assert_eq!(diagnostic("    # Subtest: smcify"), None);
        assert_eq!(cases[2].1, Outcome::Skipped("not here".into()));
    }
}
