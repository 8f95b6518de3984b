// SPDX-License-Identifier: GPL-2.0
//! The scenarios: what there is, and running them one after the other.

mod command;
mod creation;
mod data;
mod fixes;
mod handshake;
mod loading;
mod promises;
mod real;
mod report;
mod rules;
mod table;
mod wire;

use crate::kernel::facts::kernel;
use crate::kernel::kmsg::say;
use crate::kernel::ktap::Level;
use crate::kernel::ktap::Outcome;
use crate::kernel::module;
use anyhow::Context;
use anyhow::Result;
use guest::Listed;
use std::process::ExitCode;
use std::time::Instant;
use table::Expect;
use table::SCENARIOS;
use table::Scenario;

pub use report::Report;
pub use report::same;
pub use rules::intrude;

/// `guest list`.
pub fn list(json: bool) -> Result<ExitCode> {
    let listed: Vec<Listed> = SCENARIOS
        .iter()
        .map(|s| Listed {
            name: s.name.into(),
            shows: s.shows.into(),
            kernels: s.kernels.iter().map(|k| k.to_string()).collect(),
            nodes: s.nodes,
            guest: s.guest.into(),
            waits: s.waits,
            minutes: s.minutes,
            programs: s.programs,
            core: s.core,
            expects: s.expects.iter().map(Expect::listed).collect(),
        })
        .collect();
    match json {
        true => println!("{}", serde_json::to_string(&listed)?),
        false => {
            for s in &listed {
                println!("{:12} {} ({})", s.name, s.shows, s.kernels.join(", "));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `guest check [NAME…]`: runs the named scenarios, or all that fit this kernel.
pub fn check(names: &[String]) -> Result<ExitCode> {
    let kernel = kernel()?;
    let chosen = match names {
        [] => SCENARIOS
            .iter()
            .filter(|s| s.kernels.contains(&kernel))
            .collect(),
        names => names.iter().map(|n| find(n)).collect::<Result<Vec<_>>>()?,
    };
    let mut top = Level::top(chosen.len());
    for scenario in chosen {
        one(scenario, &mut top);
    }
    match top.failed() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}

fn find(name: &str) -> Result<&'static Scenario> {
    SCENARIOS
        .iter()
        .find(|s| s.name == name)
        .with_context(|| format!("no scenario {name:?}; `guest list` names them"))
}

fn one(scenario: &Scenario, top: &mut Level) {
    let name = scenario.name;
    say(&format!("scenario {name} begin"));
    let begun = Instant::now();
    let mut report = Report(top.nested(name));
    let ended = unloaded().and_then(|()| (scenario.run)(&mut report));
    if let Err(e) = ended {
        report.check("runs to its end", Err(e));
    }
    if let Err(e) = unloaded() {
        report.check("leaves no module behind", Err(e));
    }
    let outcome = report.verdict();
    top.note(format!("{name}: {:.1} s", begun.elapsed().as_secs_f32()));
    top.result(name, &outcome);
    let verdict = match outcome {
        Outcome::Passed => "ok",
        _ => "not ok",
    };
    say(&format!("scenario {name} end {verdict}"));
}

/// Every scenario starts and ends without smcify.
fn unloaded() -> Result<()> {
    match module::is_loaded("smcify") {
        true => module::unload("smcify"),
        false => Ok(()),
    }
}
