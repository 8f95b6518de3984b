// SPDX-License-Identifier: GPL-2.0
//! CPython's own tests of sockets, and what each of them says.

use crate::scenario::real::place;
use crate::scenario::real::place::within;
use crate::scenario::real::trial::Counted;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use guest::Difference;
use guest::Outcome;
use guest::Tried;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::fs::read_to_string;
use std::fs::remove_file;
use std::path::PathBuf;
use std::process::Child;

/// The Debian package whose version is told.
const PACKAGE: &str = "libpython3.13-testsuite";
/// Where the tests leave their verdicts, with the number of the process.
const VERDICTS: &str = "/tmp/verdicts";
/// How many processes share a suite, more than a guest has processors: half of it is waiting.
const PROCESSES: usize = 4;
/// What runs them: the image has it.
const SCRIPT: &str = "/opt/smcify/verdicts.py";

/// The verdict on each test, by its name.
type Verdicts = BTreeMap<String, Verdict>;

/// What a test says.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Passed,
    /// It could not be tried, for this reason.
    Skipped(String),
    /// It failed, for this reason.
    Failed(String),
}

/// Tests that belong together.
pub struct Suite {
    name: &'static str,
    modules: &'static [&'static str],
}

/// What is run: `test_socket`, and all of `test_asyncio`.
pub const SUITES: [Suite; 2] = [
    Suite {
        name: "test_socket",
        modules: &["test.test_socket"],
    },
    Suite {
        name: "test_asyncio",
        modules: &["test.test_asyncio"],
    },
];

/// How long a suite may take, in seconds.
const LIMIT: &str = "400";

/// What puts a command under smcify.
const SMCIFY: [&str; 3] = ["smcify", "run", "--"];
/// How often tests that differ are tried again.
const AGAIN: usize = 3;

/// Runs a suite, with TCP and under `smcify run`.
pub fn tried(suite: &Suite) -> Result<Tried> {
    let (with_tcp, tcp) = once(suite, &[])?;
    let (with_smc, smcify) = once(suite, &SMCIFY)?;
    let names: BTreeSet<_> = with_tcp.keys().chain(with_smc.keys()).collect();
    let differ = |name: &&String| {
        let [tcp, smcify] = [&with_tcp, &with_smc].map(|all| told(all.get(*name)));
        differs(&tcp, &smcify).then_some(Difference {
            what: (*name).clone(),
            tcp,
            smcify,
            race: false,
        })
    };
    let mut differences: Vec<_> = names.iter().filter_map(differ).collect();
    find_races(&mut differences)?;
    Ok(Tried {
        program: format!("CPython, {}", suite.name),
        version: place::version(PACKAGE)?,
        steady: false,
        differences,
        tcp,
        smcify,
    })
}

/// Tries what differs again, without all the others: what then comes out the same, with TCP and
/// under smcify, is a race.
fn find_races(differences: &mut [Difference]) -> Result<()> {
    // "setUpClass (…)" is no test that can be run.
    let names = differences.iter().map(|it| it.what.clone());
    let mut left: Vec<String> = names.filter(|name| !name.contains(' ')).collect();
    for it in &mut *differences {
        it.race = left.contains(&it.what);
    }
    for _ in 0..AGAIN {
        if left.is_empty() {
            break;
        }
        let tests: Vec<_> = left.iter().map(String::as_str).collect();
        let (tcp, smcify) = (run(&[], &tests, 1)?, run(&SMCIFY, &tests, 1)?);
        left.retain(|name| differs(&told(tcp.get(name)), &told(smcify.get(name))));
    }
    for it in differences {
        it.race &= !left.contains(&it.what);
    }
    Ok(())
}

/// Whether verdicts differ, whatever their reasons are.
fn differs(a: &str, b: &str) -> bool {
    a.split(':').next() != b.split(':').next()
}

fn told(verdict: Option<&Verdict>) -> String {
    match verdict {
        None => "not run".into(),
        Some(Verdict::Passed) => "passed".into(),
        Some(Verdict::Skipped(why)) => format!("skipped: {why}"),
        Some(Verdict::Failed(why)) => format!("failed: {why}"),
    }
}

/// One run behind the words of a command that runs commands, and what it comes to.
fn once(suite: &Suite, before: &[&str]) -> Result<(Verdicts, Outcome)> {
    let earlier = Counted::now()?;
    let verdicts = run(before, suite.modules, PROCESSES).with_context(|| suite.name)?;
    let counted = Counted::now()?.since(&earlier);
    let number = |of: fn(&Verdict) -> bool| verdicts.values().filter(|it| of(it)).count();
    let passed = number(|it| *it == Verdict::Passed);
    let skipped = number(|it| matches!(it, Verdict::Skipped(_)));
    let failed = verdicts.len() - passed - skipped;
    let result = format!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok((verdicts, counted.outcome(Ok(result))))
}

/// Runs tests in so many processes, behind the words of a command that runs commands.
fn run(before: &[&str], tests: &[&str], processes: usize) -> Result<Verdicts> {
    let started: Vec<_> = (0..processes)
        .map(|number| Share::start(before, tests, number, processes))
        .collect::<Result<_>>()?;
    // None is left behind by another that fails.
    let ended: Vec<_> = started.into_iter().map(Share::finish).collect();
    let mut all = Verdicts::new();
    for verdicts in ended {
        for (name, verdict) in verdicts? {
            let twice = all.insert(name.clone(), verdict).is_some();
            // Each process prepares a module for itself.
            let prepares = name.starts_with("setUpModule") || name.starts_with("tearDownModule");
            ensure!(prepares || !twice, "{name} ran twice");
        }
    }
    Ok(all)
}

/// A process that runs its share of the tests.
struct Share {
    child: Child,
    verdicts: PathBuf,
    said: PathBuf,
}

impl Share {
    fn start(before: &[&str], tests: &[&str], number: usize, processes: usize) -> Result<Self> {
        let path = format!("{VERDICTS}{number}");
        let (verdicts, said) = (within(&path), within(&format!("{path}.log")));
        let log = File::create(&said).context("python3's log")?;
        let _ = remove_file(&verdicts);
        let (first, step) = (number.to_string(), processes.to_string());
        let python = ["python3", SCRIPT, &path, &first, &step];
        let words = [&["timeout", LIMIT], before, &python, tests].concat();
        let mut command = place::command(&words);
        command.stdout(log.try_clone()?).stderr(log);
        Ok(Self {
            child: command.spawn().context("python3")?,
            verdicts,
            said,
        })
    }

    fn finish(mut self) -> Result<Verdicts> {
        let status = self.child.wait()?;
        let said = fs::read(&self.said).context("python3's log")?;
        let said = place::end(&String::from_utf8_lossy(&said));
        ensure!(status.success(), "python3: {status}: {said}");
        let text = read_to_string(&self.verdicts).context("python3's verdicts")?;
        let verdicts = verdicts(&text)?;
        ensure!(!verdicts.is_empty(), "there are no verdicts: {said}");
        Ok(verdicts)
    }
}

/// Reads lines such as `["test.test_socket.X.testY", "failed", "OSError: …"]`.
fn verdicts(text: &str) -> Result<Verdicts> {
    let one = |line: &str| {
        let (name, verdict, why): (String, String, String) =
            serde_json::from_str(line).with_context(|| format!("a verdict: {line:?}"))?;
        let verdict = match verdict.as_str() {
            "passed" => Verdict::Passed,
            "skipped" => Verdict::Skipped(why),
            _ => Verdict::Failed(why),
        };
        Ok((name, verdict))
    };
    text.lines().map(one).collect()
}
