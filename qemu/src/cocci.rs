// SPDX-License-Identifier: GPL-2.0
//! `lab cocci`: Coccinelle looks for network devices that are taken out of a
//! socket's dst and used where nothing keeps them; and the test of its rules.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use setup::Cache;
use setup::Progress;
use setup::Root;

use crate::args::Cocci;
use crate::tally::Failure;
use crate::tally::Tally;

/// The semantic patch, and the code that it is tested with.
const RULES: &str = "scripts/coccinelle/dst_dev.cocci";
const CASES: &str = "scripts/coccinelle/dst_dev.c";

/// A file without any of these words holds nothing that the rules start from.
const WORDS: [&str; 5] = [
    "sk_dst_",
    "sk_rx_dst",
    "sctp_transport",
    "primary_path",
    "inet_cork",
];

/// What the upstream series changed in 6.16.12's net/smc.
const VULNERABLE: [&str; 5] = [
    "net/smc/smc_clc.c:577: smc_clc_prfx_set",
    "net/smc/smc_clc.c:664: smc_clc_prfx_match",
    "net/smc/smc_core.c:1901: smc_vlan_by_tcpsk",
    "net/smc/smc_pnet.c:1136: smc_pnet_find_roce_resource",
    "net/smc/smc_pnet.c:1154: smc_pnet_find_ism_resource",
];

/// `lab cocci`: prints a line for each finding; returns the status to end with.
pub fn cocci(args: &Cocci) -> Result<u8> {
    let tree = source(&args.kdir)?;
    let progress = Progress::new(setup::steps(&[]));
    let root = Root::ensure(&Cache::open()?, &progress)?;
    root.bind(&tree)?;
    for line in findings(&root, &tree, &args.dirs)? {
        println!("{line}");
    }
    Ok(0)
}

/// Tests the rules: on cases made for them, and on the lab's two kernels, whose
/// source trees are given.
pub fn test(root: &Root, fixed: &Path, vulnerable: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    let cases = [PathBuf::from(CASES)];
    let found = findings(root, setup::checkout(), &cases)?;
    let expected = marked(&read(&setup::checkout().join(CASES))?);
    compare(&mut tally, CASES, &expected, &found, |line| {
        let mut parts = line.splitn(4, ':');
        let number = parts.nth(1).unwrap_or_default();
        let message = parts.nth(1).unwrap_or_default().trim_start();
        let kind = message.split(' ').next().unwrap_or_default();
        format!("line {number}: {kind}")
    });
    let smc = [PathBuf::from("net/smc")];
    for (tree, expected) in [(vulnerable, VULNERABLE.as_slice()), (fixed, &[])] {
        root.bind(tree)?;
        let expected: Vec<_> = expected.iter().map(|it| it.to_string()).collect();
        let found = findings(root, tree, &smc)?;
        let place = tree.file_name().unwrap_or_default().to_string_lossy();
        compare(&mut tally, &place, &expected, &found, |line| {
            let end = line
                .match_indices(": ")
                .nth(1)
                .map_or(line.len(), |it| it.0);
            line[..end].to_string()
        });
    }
    Ok(tally)
}

/// The source tree of `kdir`, which is one or the build directory of one.
fn source(kdir: &Path) -> Result<PathBuf> {
    let linked = kdir.join("source");
    let tree = if linked.exists() { &linked } else { kdir };
    if !tree.join("net/core").is_dir() {
        bail!(
            "no kernel source in {}: give a source tree, or a build directory whose `source` leads to one, with KDIR=",
            kdir.display()
        );
    }
    tree.canonicalize()
        .with_context(|| format!("cannot find {}", tree.display()))
}

/// What the rules find in files or directories of `tree`, in the files' order.
fn findings(root: &Root, tree: &Path, places: &[PathBuf]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for place in places {
        collect(tree, place, &mut files)?;
    }
    files.sort();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(files.iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let found = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        while let Some(file) = next() {
            let said = spatch(root, tree, file)?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((file, said));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut joined = workers.into_iter().map(|worker| worker.join());
        joined.try_for_each(|done| {
            done.unwrap_or_else(|_| bail!("a thread that ran spatch panicked"))
        })
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    Ok(found.into_iter().flat_map(|(_, lines)| lines).collect())
}

/// Adds to `files` the C files at `place` in `tree` that the rules may match.
fn collect(tree: &Path, place: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = tree.join(place);
    if !path.is_dir() {
        let text = read(&path)?;
        if WORDS.iter().any(|word| text.contains(word)) {
            files.push(place.to_path_buf());
        }
        return Ok(());
    }
    let entries = fs::read_dir(&path);
    for entry in entries.with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        let c = Path::new(&name)
            .extension()
            .is_some_and(|it| it == "c" || it == "h");
        if kind.is_dir() || (kind.is_file() && c) {
            collect(tree, &place.join(name), files)?;
        }
    }
    Ok(())
}

/// What the rules say of one file.
fn spatch(root: &Root, tree: &Path, file: &Path) -> Result<Vec<String>> {
    let mut spatch = root.command("spatch");
    spatch.args(["--no-includes", "--very-quiet", "--sp-file"]);
    spatch.arg(setup::checkout().join(RULES)).arg(file);
    let output = spatch.current_dir(tree).output();
    let output = output.context("cannot run spatch of Coccinelle in the toolchain root")?;
    if !output.status.success() {
        bail!(
            "spatch cannot apply {RULES} to {} ({}): {}",
            file.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(said.lines().map(str::to_string).collect())
}

/// The lines of `text` that are marked with a kind of finding.
fn marked(text: &str) -> Vec<String> {
    let mark = |line: &str| {
        let kind = line.strip_suffix(" */")?.rsplit_once("/* ")?.1;
        (!kind.contains(' ')).then(|| kind.to_string())
    };
    let lines = text.lines().map(mark).enumerate();
    lines
        .filter_map(|(at, kind)| Some(format!("line {}: {}", at + 1, kind?)))
        .collect()
}

/// Counts each expected finding; what is missing fails, and what is too much.
fn compare(
    tally: &mut Tally,
    place: &str,
    expected: &[String],
    found: &[String],
    short: impl Fn(&str) -> String,
) {
    let keys: Vec<_> = found.iter().map(|line| short(line)).collect();
    for it in expected {
        if keys.contains(it) {
            tally.passed += 1;
        } else {
            let what = format!("dst_dev.cocci does not find {it}");
            tally.fail(Failure::new(place, &what, found.to_vec()));
        }
    }
    let extra: Vec<_> = keys.iter().zip(found).collect();
    let extra = extra.into_iter().filter(|(key, _)| !expected.contains(key));
    let extra: Vec<_> = extra.map(|(_, line)| line.clone()).collect();
    if extra.is_empty() {
        tally.passed += 1;
    } else {
        let what = "dst_dev.cocci finds what it should not";
        tally.fail(Failure::new(place, what, extra));
    }
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_one_word_at_the_end() {
        let text = "a(); /* uses */\n/* a word */\nb();\nc(); /* keeps */\n";
        assert_eq!(marked(text), ["line 1: uses", "line 4: keeps"]);
    }

    #[test]
    fn what_is_missing_fails_and_what_is_too_much() {
        let expected = ["a:1".to_string(), "a:2".to_string()];
        let found = ["a:2".to_string(), "a:3".to_string()];
        let mut tally = Tally::default();
        compare(&mut tally, "a", &expected, &found, str::to_string);
        assert_eq!(tally.passed, 1);
        assert_eq!(tally.failures.len(), 2);
    }
}
