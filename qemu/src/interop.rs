// SPDX-License-Identifier: GPL-2.0
//! `lab interop`: real programs with TCP and under `smcify run`, and all else that takes the
//! kernel without debugging. Writes what docs/compatibility.md ought to be, and compares.

mod cause;
mod page;

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use guest::TRIED;
use guest::Tried;

use crate::args::Interop;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::machine::RESULTS;
use crate::scenarios;
use crate::scenarios::Went;
use crate::scenarios::groups;
use crate::scenarios::listed;
use crate::tally::Failure;
use crate::tally::Tally;
use setup::Kernel;

const STEP: &str = "interop";
const KERNEL: Kernel = Kernel::PLAIN;
/// The scenarios that the page is about.
const SHOWN: [&str; 2] = ["interop", "interop-cpython"];
/// Below the checkout.
const PAGE: &str = "docs/compatibility.md";

/// `lab interop`; returns the status to end with.
pub fn interop(args: &Interop) -> Result<u8> {
    let mut steps = setup::programs_steps();
    steps.push(STEP.to_string());
    let steps: Vec<_> = steps.iter().map(String::as_str).collect();
    let ground = Ground::prepare(&[KERNEL], &steps)?;
    let bench = ground.bench(&KERNEL)?;
    let groups = groups(&listed(&ground)?, &[KERNEL], &args.names)?;
    ground.real_programs()?;
    let step = ground.progress.step(STEP);
    let mut wents = scenarios::run(&ground, &[(&KERNEL, &bench)], groups, &step)?;
    // Whichever ended first, the pairs come before the suites.
    wents.sort_by_key(|went| Reverse(went.group.nodes));
    step.done();
    let tried = tried(&wents)?;
    let mut tally = Tally::default();
    for went in wents {
        tally.add(went.tally);
    }
    tally.add(judge(&tried));
    println!("{}", tally.report());
    if args.names.is_empty()
        || SHOWN
            .iter()
            .all(|name| args.names.iter().any(|it| it == name))
    {
        let text = page::page(&bench.built.release, &tried);
        compare(&text, args.write)?;
    }
    Ok(if tally.good() { 0 } else { 1 })
}

/// What the guests have told of the programs.
fn tried(wents: &[Went]) -> Result<Vec<Tried>> {
    let mut all = Vec::new();
    for guest in wents.iter().flat_map(|went| &went.ended) {
        let path = guest.dir.join(RESULTS);
        let said =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = said.lines().filter_map(|line| line.split_once(TRIED));
        for (_, json) in lines {
            all.push(serde_json::from_str(json).context("the guest's results are cut off")?);
        }
    }
    Ok(all)
}

/// Each difference is to have its cause.
fn judge(all: &[Tried]) -> Tally {
    let mut tally = Tally::default();
    for tried in all {
        let differences = tried.differences.iter();
        let mut any = false;
        let (races, others): (Vec<_>, Vec<_>) = differences.partition(|it| it.race);
        for it in races {
            let why = "not the same in one run, and the same in the next".into();
            tally.skip(&tried.program, &it.what, why);
        }
        let known = |what: &str| cause::of(&tried.program, what).is_some();
        let unexplained = others.into_iter().filter(|it| !known(&it.what));
        for it in unexplained {
            any = true;
            let what = format!("{}: {}", tried.program, it.what);
            let both = [("with TCP", &it.tcp), ("under smcify run", &it.smcify)];
            let both = both.map(|(how, what)| format!("{how}: {what}"));
            tally.fail(Failure::new(
                "a difference without a cause",
                &what,
                both.into(),
            ));
        }
        if !any {
            tally.passed += 1;
        }
    }
    tally
}

/// Says whether the page is as it is committed, or writes it.
fn compare(text: &str, write: bool) -> Result<()> {
    let page = setup::checkout().join(PAGE);
    let put = |path: &Path| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    if fs::read_to_string(&page).is_ok_and(|it| it == text) {
        println!("{PAGE} is what was measured");
    } else if write {
        put(&page)?;
        println!("{PAGE} is written anew");
    } else {
        let measured = new_run("interop")?.join("compatibility.md");
        put(&measured)?;
        println!(
            "{PAGE} is not what was measured: diff -u {PAGE} {}\ncargo lab interop --write writes it anew",
            measured.display()
        );
    }
    Ok(())
}
