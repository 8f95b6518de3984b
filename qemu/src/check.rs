// SPDX-License-Identifier: GPL-2.0
//! `lab check`: the host's tests, and all scenarios in the guests they are for.

use anyhow::Result;

use crate::args;
use crate::args::Check;
use crate::cocci;
use crate::compile_fail;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::host;
use crate::preflight;
use crate::scenarios;
use crate::scenarios::groups;
use crate::scenarios::listed;
use crate::tally::Tally;

const HOST: &str = "host tests";
const SCENARIOS: &str = "scenarios";

/// `lab check`; returns the status to end with.
pub fn check(args: &Check) -> Result<u8> {
    let kernels = args::asked(&args.kernel);
    let whole = args.names.is_empty() && args.kernel.is_none();
    let steps = if whole {
        vec![HOST, SCENARIOS]
    } else {
        vec![SCENARIOS]
    };
    let images = setup::programs_steps();
    let steps: Vec<_> = images.iter().map(String::as_str).chain(steps).collect();
    let ground = Ground::prepare(&kernels, &steps)?;
    let benches: Vec<Bench> = kernels
        .iter()
        .map(|kernel| ground.bench(kernel))
        .collect::<Result<_>>()?;
    let groups = groups(&listed(&ground)?, &kernels, &args.names)?;
    if groups.iter().any(|group| group.programs) {
        ground.real_programs()?;
    }
    let mut tally = Tally::default();
    if whole {
        let step = ground.progress.step(HOST);
        let dir = new_run("host")?;
        tally.add(host::test(&dir.join("cargo-test.log"))?);
        tally.add(compile_fail::test(&ground.root, &benches, &dir)?);
        if let Some(bench) = benches.first() {
            tally.add(preflight::test(&ground.root, &bench.built, &dir)?);
        }
        let sources: Vec<_> = benches.iter().map(|it| it.built.source.as_path()).collect();
        if let [fixed, vulnerable] = sources[..] {
            tally.add(cocci::test(&ground.root, fixed, vulnerable)?);
        }
        step.done();
    }
    let step = ground.progress.step(SCENARIOS);
    let benches: Vec<_> = kernels.iter().zip(&benches).collect();
    for went in scenarios::run(&ground, &benches, groups, &step)? {
        tally.add(went.tally);
    }
    step.done();
    println!("{}", tally.report());
    Ok(if tally.good() { 0 } else { 1 })
}
