// SPDX-License-Identifier: GPL-2.0
//! Counts KTAP results, as the kernel's own `kunit.py parse` reads them.

use std::fs;
use std::iter;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use serde::Deserialize;
use setup::Root;

use crate::tally::Failure;
use crate::tally::Tally;

/// A group in `kunit.py`'s JSON: a scenario, or a suite within one.
#[derive(Deserialize)]
struct Group {
    name: String,
    sub_groups: Vec<Group>,
    test_cases: Vec<Case>,
    misc: Counts,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    status: String,
}

#[derive(Deserialize)]
struct Counts {
    errors: usize,
}

/// What a file of results holds.
pub struct Results {
    pub tally: Tally,
    /// The outermost tests.
    pub scenarios: Vec<String>,
}

/// Reads the results in `file`, printed by guest `place`, with the tools of the
/// kernel tree `source`.
pub fn parse(root: &Root, source: &Path, file: &Path, place: &str) -> Result<Results> {
    let json = file.with_extension("json");
    let mut kunit = root.command("python3");
    kunit.env("PYTHONDONTWRITEBYTECODE", "1");
    kunit
        .arg(source.join("tools/testing/kunit/kunit.py"))
        .arg("parse");
    kunit.arg(format!("--json={}", json.display())).arg(file);
    let output = kunit.output().context("cannot run kunit.py")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let text = fs::read_to_string(&json).with_context(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        format!(
            "kunit.py made no {}: {}",
            json.display(),
            error.lines().last().unwrap_or_default()
        )
    })?;
    let top: Group = serde_json::from_str(&text).context("kunit.py's JSON is not what it was")?;
    let ktap = fs::read_to_string(file).unwrap_or_default();
    Ok(results(&top, output.status.success(), &said, &ktap, place))
}

fn results(top: &Group, sound: bool, said: &str, ktap: &str, place: &str) -> Results {
    let mut tally = Tally::default();
    walk(top, "", ktap, place, &mut tally);
    // A plan that is not met or a test that ended early is no failed case to kunit.py.
    if top.misc.errors > 0 || (!sound && tally.failures.is_empty()) {
        let errors: Vec<String> = said
            .lines()
            .filter(|line| line.contains("[ERROR]"))
            .map(str::to_string)
            .collect();
        tally.fail(Failure::new(place, "results are incomplete", errors));
    }
    let groups = top.sub_groups.iter().map(|group| group.name.clone());
    let cases = top.test_cases.iter().map(|case| case.name.clone());
    Results {
        tally,
        scenarios: groups.chain(cases).collect(),
    }
}

fn walk(group: &Group, path: &str, ktap: &str, place: &str, tally: &mut Tally) {
    // Other scenarios may have tests of the same name.
    let own: Vec<&str> = match path.split_once('/') {
        Some((scenario, _)) => section(ktap, scenario).map(str::trim).collect(),
        None => ktap.lines().map(str::trim).collect(),
    };
    for case in &group.test_cases {
        let name = format!("{path}{}", case.name);
        match case.status.as_str() {
            "PASS" => tally.passed += 1,
            "SKIP" => tally.skip(place, &name, reason(&own, &case.name)),
            _ => tally.fail(Failure::new(place, &name, diagnostics(&own, &case.name))),
        }
    }
    for inner in &group.sub_groups {
        walk(inner, &format!("{path}{}/", inner.name), ktap, place, tally);
    }
}

/// The lines of the outermost test `name`, up to its result.
fn section<'a>(ktap: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("  # Subtest: {name}");
    let own = ktap.lines().skip_while(move |line| *line != begin).skip(1);
    own.take_while(|line| line.starts_with(' '))
}

/// The tests within the outermost test `name` that have failed, each with what it said. Fit
/// for results that are still coming in.
pub fn failed(ktap: &str, name: &str) -> Vec<String> {
    let own: Vec<&str> = section(ktap, name).map(str::trim).collect();
    let failed = own.iter().filter_map(|line| line.strip_prefix("not ok "));
    failed
        .filter_map(|line| line.split_once(' '))
        .flat_map(|(_, test)| {
            let said = diagnostics(&own, test).into_iter();
            iter::once(test.to_string()).chain(said.map(|line| format!("    {line}")))
        })
        .collect()
}

/// The lines that a test said right before it failed.
fn diagnostics(lines: &[&str], name: &str) -> Vec<String> {
    let failed = |line: &str| {
        line.starts_with("not ok ")
            && line
                .split_once(name)
                .is_some_and(|(_, rest)| rest.is_empty())
    };
    let Some(at) = lines.iter().position(|line| failed(line)) else {
        return Vec::new();
    };
    let before = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("# "));
    let mut said: Vec<String> = before.map(|line| line[2..].to_string()).collect();
    said.reverse();
    said
}

/// Why a test was skipped.
fn reason(lines: &[&str], name: &str) -> String {
    let mark = format!(" {name} # SKIP");
    let found = lines.iter().find_map(|line| line.split_once(&mark));
    found
        .map(|(_, why)| why.trim().to_string())
        .unwrap_or_default()
}

/// A line of a test's results, for a reader.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// How deep the test is nested in the one that was asked for.
    pub depth: usize,
    pub text: String,
    pub mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    Passed,
    Failed,
    Skipped,
    /// Not a test: something said about one.
    Note,
}

/// What the outermost test `name` said in `ktap`: a test that has tests of its own
/// stands before them.
pub fn lines(ktap: &str, name: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for line in section(ktap, name) {
        let text = line.trim_start();
        let depth = ((line.len() - text.len()) / 2).saturating_sub(1);
        let new = |depth, text: &str, mark| Line {
            depth,
            text: text.to_string(),
            mark,
        };
        if let Some(inner) = text.strip_prefix("# Subtest: ") {
            // Its result comes after those within it; if it never does, it failed.
            open.push(lines.len());
            lines.push(new(depth.saturating_sub(1), inner, Mark::Failed));
        } else if let Some(note) = text.strip_prefix("# ") {
            lines.push(new(depth, note, Mark::Note));
        } else if let Some((mark, result)) = result(text) {
            let of = |at: &usize| lines[*at].depth == depth && lines[*at].text == result;
            match open.last().copied().filter(of) {
                Some(at) => {
                    open.pop();
                    lines[at].mark = mark;
                }
                None => lines.push(new(depth, result, mark)),
            }
        }
    }
    lines
}

/// Verdict and name of `ok 1 name` and `not ok 1 name`.
fn result(line: &str) -> Option<(Mark, &str)> {
    let (mark, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (Mark::Failed, rest),
        None => (Mark::Passed, line.strip_prefix("ok ")?),
    };
    let (number, name) = rest.split_once(' ')?;
    number.parse::<usize>().ok()?;
    match name.split_once(" # SKIP") {
        Some((name, _)) => Some((Mark::Skipped, name)),
        None => Some((mark, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KTAP: &str = "KTAP version 1\n1..1\n  # Subtest: a\n  ok 1 x\n  # b1\n  # b2\n  not ok 2 y\n  ok 3 z # SKIP no z\nnot ok 1 a\n";

    fn group(errors: usize) -> Group {
        let text = format!(
            r#"{{"name": "top", "test_cases": [], "misc": {{"errors": {errors}}}, "sub_groups": [
                {{"name": "a", "sub_groups": [], "misc": {{"errors": 0}}, "test_cases": [
                    {{"name": "x", "status": "PASS"}}, {{"name": "y", "status": "FAIL"}},
                    {{"name": "z", "status": "SKIP"}}]}}]}}"#
        );
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn leaves_are_counted_and_failures_say_why() {
        let found = results(&group(0), false, "", KTAP, "fixed");
        let tally = &found.tally;
        assert_eq!(
            (tally.passed, tally.failures.len(), tally.skipped.len()),
            (1, 1, 1)
        );
        assert_eq!(tally.failures[0].what, "a/y");
        assert_eq!(tally.failures[0].excerpt, ["b1", "b2"]);
        assert_eq!(tally.skipped[0], "fixed: a/z: no z");
        assert_eq!(found.scenarios, ["a"]);
    }

    #[test]
    fn why_is_looked_for_in_the_scenario_that_failed() {
        let other = "KTAP version 1\n1..2\n  # Subtest: b\n  # of b\n  not ok 1 y\nnot ok 1 b\n";
        let ktap = KTAP.replace("KTAP version 1\n1..1\n", other);
        // As a terminal has it.
        let ktap = ktap.replace('\n', "\r\n");
        let found = results(&group(0), false, "", &ktap, "fixed");
        assert_eq!(found.tally.failures[0].excerpt, ["b1", "b2"]);
    }

    #[test]
    fn what_has_failed_so_far_is_said_with_its_reason() {
        assert_eq!(failed(KTAP, "a"), ["y", "    b1", "    b2"]);
        let begun = KTAP.replace("  ok 3 z # SKIP no z\nnot ok 1 a\n", "");
        assert_eq!(failed(&begun, "a"), ["y", "    b1", "    b2"]);
        assert!(failed(KTAP, "b").is_empty());
    }

    #[test]
    fn what_kunit_py_calls_an_error_is_a_failure() {
        let found = results(
            &group(1),
            true,
            "[1] [ERROR] Test: a: gone\n",
            KTAP,
            "fixed",
        );
        assert_eq!(found.tally.failures.len(), 2);
        assert_eq!(
            found.tally.failures[1].excerpt,
            ["[1] [ERROR] Test: a: gone"]
        );
    }

    #[test]
    fn a_test_stands_before_those_within_it() {
        let ktap = "KTAP version 1\n1..2\n  # Subtest: other\n  ok 1 x\nok 1 other\n  KTAP version 1\n\
            \x20 # Subtest: a\n  # said\n  ok 1 x\n    # Subtest: in\n    not ok 1 y\n  not ok 2 in\n  \
            ok 3 z # SKIP no z\n# a: 0.1 s\nnot ok 2 a\n";
        let line = |depth, text: &str, mark| Line {
            depth,
            text: text.into(),
            mark,
        };
        let expected = [
            line(0, "said", Mark::Note),
            line(0, "x", Mark::Passed),
            line(0, "in", Mark::Failed),
            line(1, "y", Mark::Failed),
            line(0, "z", Mark::Skipped),
        ];
        assert_eq!(lines(ktap, "a"), expected);
    }
}
