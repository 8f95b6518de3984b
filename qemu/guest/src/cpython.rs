// SPDX-License-Identifier: GPL-2.0
//! CPython's own tests of sockets, and what each of them says.

use crate::programs;
use crate::programs::within;
use crate::trial::Counted;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use guest::Difference;
use guest::Outcome;
use guest::Tried;
use roxmltree::Document;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::fs::remove_file;

/// The Debian package whose version is told.
const PACKAGE: &str = "libpython3.13-testsuite";
/// Where the tests leave their verdicts.
const VERDICTS: &str = "/tmp/cpython.xml";

/// The verdict on each test, by its name.
type Verdicts = BTreeMap<String, Verdict>;

/// What a test says.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Passed,
    Skipped,
    /// It failed, for this reason.
    Failed(String),
}

/// What is run: for each, all tests of a module.
pub const SUITES: [&str; 2] = ["test_socket", "test_asyncio"];

/// How long a module may take, in seconds.
const LIMIT: &str = "400";

/// Runs a module's tests, with TCP and under `smcify run`.
pub fn tried(suite: &str) -> Result<Tried> {
    let (with_tcp, tcp) = once(suite, &[])?;
    let (with_smc, smcify) = once(suite, &["smcify", "run", "--"])?;
    let names: BTreeSet<_> = with_tcp.keys().chain(with_smc.keys()).collect();
    let differ = |name: &&String| {
        let [tcp, smcify] = [&with_tcp, &with_smc].map(|all| told(all.get(*name)));
        let what = (*name).clone();
        let differs = tcp.split(':').next() != smcify.split(':').next();
        differs.then_some(Difference { what, tcp, smcify })
    };
    Ok(Tried {
        program: format!("CPython, {suite}"),
        version: programs::version(PACKAGE)?,
        steady: false,
        differences: names.iter().filter_map(differ).collect(),
        tcp,
        smcify,
    })
}

fn told(verdict: Option<&Verdict>) -> String {
    match verdict {
        None => "not run".into(),
        Some(Verdict::Passed) => "passed".into(),
        Some(Verdict::Skipped) => "skipped".into(),
        Some(Verdict::Failed(why)) => format!("failed: {why}"),
    }
}

/// One run behind the words of a command that runs commands, and what it comes to.
fn once(suite: &str, before: &[&str]) -> Result<(Verdicts, Outcome)> {
    let earlier = Counted::now()?;
    let verdicts = run(before, suite)?;
    let counted = Counted::now()?.since(&earlier);
    let number = |of: fn(&Verdict) -> bool| verdicts.values().filter(|it| of(it)).count();
    let passed = number(|it| *it == Verdict::Passed);
    let skipped = number(|it| *it == Verdict::Skipped);
    let failed = verdicts.len() - passed - skipped;
    let result = format!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok((verdicts, counted.outcome(Ok(result))))
}

/// Runs a module's tests behind the words of a command that runs commands.
fn run(before: &[&str], suite: &str) -> Result<Verdicts> {
    let _ = remove_file(within(VERDICTS));
    let python = ["python3", "-m", "test", "--junit-xml", VERDICTS, suite];
    let words = [&["timeout", LIMIT], before, &python].concat();
    // It ends badly if a test does.
    let output = programs::command(&words).output().context("python3")?;
    let text = read_to_string(within(VERDICTS)).with_context(|| {
        let said = [output.stdout, output.stderr].concat();
        let said = programs::end(&String::from_utf8_lossy(&said));
        format!("CPython left no verdicts: {}: {said}", output.status)
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
