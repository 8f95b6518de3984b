// SPDX-License-Identifier: GPL-2.0
//! `lab proof`: the bugs of a kernel that has them, each run without and with smcify,
//! and a page that shows and explains what came of it.

mod disassembly;
mod lifetimes;
mod page;
mod report;
mod text;

use std::fs;

use anyhow::Context;
use anyhow::Result;
use guest::Listed;
use setup::Root;

use crate::expect;
use crate::facts::Fact;
use crate::facts::facts;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::ktap;
use crate::machine::RESULTS;
use crate::qemu::Accel;
use crate::scenarios;
use crate::scenarios::Went;
use crate::scenarios::groups;
use crate::scenarios::listed;
use crate::tally::Failure;
use crate::tally::Tally;
use setup::Kernel;

use page::Page;
use page::Row;
use page::Run;
use text::Text;

const STEP: &str = "before and after";
const KERNEL: Kernel = Kernel::VULNERABLE;
/// Below the checkout.
const INDEX: &str = "proof/index.html";

/// What the names of a row's scenarios end with.
const WITHOUT: &str = "-without";
const WITH: &str = "-with";

/// What is shown beside the rows: the same client, at its worst.
const MUTATIONS: &str = "clc-mutations-10000";

/// `lab proof`; returns the status to end with.
pub fn proof() -> Result<u8> {
    let ground = Ground::prepare(&[KERNEL], &[STEP])?;
    let bench = ground.bench(&KERNEL)?;
    let listed = listed(&ground)?;
    let mutations = groups(&listed, &[KERNEL], &[MUTATIONS.into()])?;
    let paired = |one: &&Listed| one.name.ends_with(WITHOUT) || one.name.ends_with(WITH);
    let paired: Vec<_> = listed.into_iter().filter(|one| paired(&one)).collect();
    let texts: Vec<_> = names(&paired)
        .into_iter()
        .map(|name| Ok((text::text(&name)?, name)))
        .collect::<Result<_>>()?;
    let step = ground.progress.step(STEP);
    let mut groups = groups(&paired, &[KERNEL], &[])?;
    groups.extend(mutations);
    let wents = scenarios::run(&ground, &[(&KERNEL, &bench)], groups, &step)?;
    step.done();

    let survived = wents
        .iter()
        .any(|went| went.group.names == [MUTATIONS] && went.tally.good());
    let mut rows = Vec::new();
    for (text, name) in texts {
        rows.push(row(&ground, &bench, name, text, &paired, &wents)?);
    }
    let mut tally = Tally::default();
    for went in wents {
        tally.add(went.tally);
    }
    for row in &rows {
        for fault in &row.faults {
            tally.fail(Failure::new(&row.name, fault, Vec::new()));
        }
    }
    let page = Page {
        facts: made_with(&ground.root, &bench, survived)?,
        config: KERNEL.fragments()?,
        rows,
        good: tally.good(),
    };
    let index = setup::checkout().join(INDEX);
    let dir = index.parent().unwrap_or(&index);
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(&index, page.html()))
        .with_context(|| format!("cannot write {}", index.display()))?;
    println!("{}", tally.report());
    println!("{}", index.display());
    Ok(if tally.good() { 0 } else { 1 })
}

/// The rows: those with a text in the page's order, then what else has a scenario.
fn names(paired: &[Listed]) -> Vec<String> {
    let mut names: Vec<String> = text::names().map(str::to_string).collect();
    for one in paired {
        let name = one.name.strip_suffix(WITHOUT);
        let name = name.or(one.name.strip_suffix(WITH));
        if let Some(name) = name.filter(|name| !names.iter().any(|it| it == name)) {
            names.push(name.to_string());
        }
    }
    names
}

/// What became of row `name`.
fn row(
    ground: &Ground,
    bench: &Bench,
    name: String,
    text: Text,
    paired: &[Listed],
    wents: &[Went],
) -> Result<Row> {
    let mut faults = Vec::new();
    let mut side = |end: &str| -> Result<Option<Run>> {
        let scenario = format!("{name}{end}");
        let Some(listed) = paired.iter().find(|one| one.name == scenario) else {
            faults.push(format!("there is no scenario {scenario}"));
            return Ok(None);
        };
        run(listed, wents).map(Some)
    };
    let without = side(WITHOUT)?;
    let with = side(WITH)?;
    if let (Some(explained), Some(run)) = (&text.report, &without) {
        let lines = report::find(&run.splats, explained)
            .ok_or(format!("no report names {}", explained.function))
            .and_then(|splat| report::lines(splat, explained).map(drop));
        faults.extend(lines.err());
    }
    let disassembly = match &text.disassembly {
        Some(_) => disassembly::disassembly(&ground.root, bench)
            .map_err(|why| faults.push(format!("{why:#}")))
            .ok(),
        None => None,
    };
    Ok(Row {
        name,
        text,
        without,
        with,
        disassembly,
        faults,
    })
}

/// What became of one scenario.
fn run(listed: &Listed, wents: &[Went]) -> Result<Run> {
    let name = &listed.name;
    let went = wents.iter().find(|went| went.group.names.contains(name));
    let went = went.with_context(|| format!("{name} was not run"))?;
    let ended = went.ended.first().context("no guest was started")?;
    let results = ended.dir.join(RESULTS);
    let said = fs::read_to_string(&results)
        .with_context(|| format!("cannot read {}", results.display()))?;
    let alone = went.group.names.len() == 1;
    let own = |scenario: Option<&String>| alone || scenario == Some(name);
    let splats = ended.splats.iter();
    let splats: Vec<_> = splats
        .filter(|splat| own(splat.scenario.as_ref()))
        .cloned()
        .collect();
    let verdict = went.verdicts.iter().find(|(it, _, _)| it == name);
    let judged = expect::judge(&splats, &listed.expects, name);
    let mut faults: Vec<String> = judged.failures.into_iter().map(|it| it.what).collect();
    match verdict {
        Some((_, true, _)) => {}
        Some((_, false, _)) => faults.push(format!("{name} failed")),
        None => faults.push(format!("{name} did not come to its end")),
    }
    Ok(Run {
        scenario: listed.clone(),
        lines: ktap::lines(&said, name),
        time: verdict.map(|(_, _, time)| *time),
        splats,
        faults,
    })
}

/// What the page was made with.
fn made_with(root: &Root, bench: &Bench, survived: bool) -> Result<Vec<Fact>> {
    let accel = match bench.accel {
        Accel::Kvm => "KVM",
        Accel::Tcg => "TCG, which emulates the processor",
    };
    let outcome = match survived {
        true => "no complaint of the kernel, and the listener went on serving",
        false => "not survived: see the output of the command",
    };
    let mut all = facts(
        root,
        vec![("Kernel", format!("Linux {}", bench.built.release))],
    )?;
    all.extend([
        ("Guests", format!("2 processors, 2 GiB, by {accel}")),
        ("10,000 malformed CLC Proposals", outcome.to_string()),
    ]);
    Ok(all)
}
