// SPDX-License-Identifier: GPL-2.0
//! The host's own tests: `cargo test` over the workspace, counted.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

use crate::tally::Failure;
use crate::tally::Tally;

/// Lines of cargo's output that are shown when it ends badly.
const TAIL: usize = 40;

/// Runs all tests of the workspace; the whole output goes to `log`.
pub fn test(log: &Path) -> Result<Tally> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut test = Command::new(cargo);
    // The lab itself was built like this: nothing is compiled twice.
    test.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    test.current_dir(setup::checkout());
    let output = test.output().context("cannot run cargo test")?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    fs::write(log, &text).with_context(|| format!("cannot write {}", log.display()))?;
    Ok(count(&text, output.status.success()))
}

/// Adds up what the test programs say.
fn count(text: &str, success: bool) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            tally.passed += number(counts, "passed");
        } else if let Some(name) = named(line, " ... FAILED") {
            tally.fail(Failure::new("host", name, said(text, name)));
        } else if let Some(name) = named(line, " ... ignored") {
            tally.skip("host", name, "ignored".into());
        }
    }
    if !success && tally.failures.is_empty() {
        let lines: Vec<_> = text.lines().map(str::to_string).collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].to_vec();
        tally.fail(Failure::new("host", "cargo test", tail));
    }
    tally
}

/// `test NAME ... FAILED` and the like.
fn named<'a>(line: &'a str, verdict: &str) -> Option<&'a str> {
    line.strip_prefix("test ")?
        .split_once(verdict)
        .map(|(name, _)| name)
}

/// `12 passed` in `ok. 12 passed; 0 failed; …`.
fn number(counts: &str, what: &str) -> usize {
    let words: Vec<&str> = counts.split([' ', ';']).collect();
    let found = words.windows(2).find(|pair| pair[1] == what);
    found
        .and_then(|pair| pair[0].parse().ok())
        .unwrap_or_default()
}

/// What the failed test `name` printed.
fn said(text: &str, name: &str) -> Vec<String> {
    let head = format!("---- {name} stdout ----");
    let lines = text.lines().skip_while(|line| *line != head).skip(1);
    let own = lines.take_while(|line| !line.starts_with("---- ") && *line != "failures:");
    own.filter(|line| !line.is_empty())
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "test a ... ok\ntest b::c ... FAILED\n\nfailures:\n\n---- b::c stdout ----\n\
        thread panicked\n\nfailures:\n    b::c\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n\
        test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n";

    #[test]
    fn results_of_all_programs_are_added_up() {
        let tally = count(OUTPUT, false);
        assert_eq!((tally.passed, tally.failures.len()), (13, 1));
        assert_eq!(tally.failures[0].excerpt, ["thread panicked"]);
    }

    #[test]
    fn a_build_that_breaks_is_a_failure() {
        let tally = count("error: no such thing\n", false);
        assert_eq!(tally.failures[0].excerpt, ["error: no such thing"]);
    }
}
