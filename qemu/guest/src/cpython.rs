// SPDX-License-Identifier: GPL-2.0
//! CPython's own tests of sockets, and what each of them says.

use crate::programs;
use crate::programs::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use roxmltree::Document;
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::fs::remove_file;

/// The Debian package whose version is told.
pub const PACKAGE: &str = "libpython3.13-testsuite";
/// Where the tests leave their verdicts.
const VERDICTS: &str = "/tmp/cpython.xml";

/// The verdict on each test, by its name, and what it complained about.
pub type Verdicts = BTreeMap<String, Verdict>;

/// What a test says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed,
    Skipped,
    /// It failed, and the last line of why.
    Failed(String),
}

/// Runs tests, behind the words of a command that runs commands.
pub fn run(before: &[&str], tests: &[&str], limit: &str) -> Result<Verdicts> {
    let _ = remove_file(within(VERDICTS));
    let python = ["python3", "-m", "test", "--junit-xml", VERDICTS];
    let words = [&["timeout", limit], before, python.as_slice(), tests].concat();
    // It ends badly if a test does.
    let output = programs::command(&words).output().context("python3")?;
    let text = read_to_string(within(VERDICTS)).with_context(|| {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        format!(
            "CPython's tests left no verdicts: {}: {}",
            output.status,
            programs::end(&said)
        )
    })?;
    let verdicts = verdicts(&text)?;
    ensure!(!verdicts.is_empty(), "there are no verdicts in {VERDICTS}");
    Ok(verdicts)
}

/// Reads what `--junit-xml` wrote.
fn verdicts(xml: &str) -> Result<Verdicts> {
    let document = Document::parse(xml).context("CPython's verdicts")?;
    let cases = document
        .descendants()
        .filter(|it| it.has_tag_name("testcase"));
    let one = |case: roxmltree::Node| {
        let name = case.attribute("name").context("a test without a name")?;
        let child = |tag: &str| case.children().find(|it| it.has_tag_name(tag));
        let failed = child("error").or(child("failure"));
        let verdict = match failed {
            Some(why) => Verdict::Failed(why.attribute("message").unwrap_or_default().to_owned()),
            None if child("skipped").is_some() => Verdict::Skipped,
            None => Verdict::Passed,
        };
        Ok((name.to_owned(), verdict))
    };
    cases.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_has_its_verdict() {
        let xml = r#"<testsuites tests="3"><testsuite start="x"><testcase name="t.A.ok" status="run" result="completed" time="0.1"/>
            <testcase name="t.A.bad" status="run"><system-out/><failure type="AssertionError" message="1 != 2">trace</failure></testcase>
            <testcase name="t.A.not" status="run"><skipped>no IPv6</skipped></testcase></testsuite></testsuites>"#;
        let all = verdicts(xml).expect("XML");
        assert_eq!(all["t.A.ok"], Verdict::Passed);
        assert_eq!(all["t.A.bad"], Verdict::Failed("1 != 2".into()));
        assert_eq!(all["t.A.not"], Verdict::Skipped);
        assert!(verdicts("<testsuites>").is_err());
    }
}
