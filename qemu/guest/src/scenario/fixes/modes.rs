// SPDX-License-Identifier: GPL-2.0
//! The live fixes as an administrator sees them: in force where they are needed, switched one
//! by one, harmless where they are not needed.

use super::clc::MATCH;
use crate::diag::Carrier;
use crate::kernel::facts::ftrace_can_be_off;
use crate::kernel::facts::ftrace_stays;
use crate::kernel::facts::since;
use crate::kernel::facts::switch_ftrace;
use crate::kernel::kmsg::Follow;
use crate::kernel::livepatch::PRFX_MATCH;
use crate::kernel::livepatch::Patched;
use crate::program::pair::transfer;
use crate::scenario::Report;
use crate::scenario::data::transfer::LOOPBACKS;
use crate::scenario::same;
use crate::smcify::Fix;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use crate::smcify::set_fix;
use anyhow::Result;
use anyhow::ensure;

/// Every function that is fixed.
const FIXES: [&str; 5] = [
    "smc_ulp_init",
    "smc_clc_prfx_match",
    "smc_vlan_by_tcpsk",
    "smc_pnet_find_ism_resource",
    "smc_pnet_find_roce_resource",
];

/// Long enough for the server to be seen at it.
const BYTES: u64 = 16 << 20;

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    let states = states()?;
    report.check("after insmod", same("fixes", &states, &smcify.fixes()?));
    report.check("junk is refused", junk(&smcify));

    all(&smcify, "off")?;
    let off: Vec<Fix> = FIXES
        .iter()
        .map(|function| fix(function, "off", "inactive"))
        .collect();
    report.check("all off", same("fixes", &off, &smcify.fixes()?));
    connects(report, "all off");

    all(&smcify, "on")?;
    let on: Vec<Fix> = states
        .iter()
        .map(|it| match it.state.as_str() {
            "absent" => fix(&it.function, "on", "absent"),
            _ => fix(&it.function, "on", "active"),
        })
        .collect();
    report.check("all on", same("fixes", &on, &smcify.fixes()?));
    report.check(
        "all on: ftrace stays on",
        same("write", ftrace_stays()?, switch_ftrace(false)),
    );
    connects(report, "all on");

    all(&smcify, "auto")?;
    report.check("auto again", same("fixes", &states, &smcify.fixes()?));
    if ftrace_can_be_off()? {
        report.check("without ftrace none can be on", without_ftrace(&smcify));
    }
    report.check("with one ftrace stays on", with_one(&smcify));
    report.check("rmmod", smcify.unload());
    report.check("nothing is left", nothing_left());
    // Where the kernel has the fix, nobody's place is wanted.
    if !since(6, 18)? {
        report.group("a livepatch was there first", |report| {
            if let Err(e) = busy(report, &states) {
                report.check("runs to its end", Err(e));
            }
        });
    }
    Ok(())
}

/// A fix that is switched on while ftrace is off is refused, and stays as it was.
fn without_ftrace(smcify: &Smcify) -> Result<()> {
    smcify.set_default("tcp")?;
    all(smcify, "off")?;
    let before = smcify.fixes()?;
    same("ftrace off", Ok(()), switch_ftrace(false))?;
    let mut answers = Vec::new();
    for fix in before.iter().filter(|it| it.function != "smc_ulp_init") {
        let answer = set_fix(&format!("{} on", fix.function));
        answers.push((&fix.function, answer.map_err(|e| e.raw_os_error())));
    }
    same("ftrace on", Ok(()), switch_ftrace(true))?;
    for (function, answer) in answers {
        same(function, Err(Some(libc::EOPNOTSUPP)), answer)?;
    }
    same("fixes", before, smcify.fixes()?)
}

/// Of those that ftrace would not keep by themselves.
fn with_one(smcify: &Smcify) -> Result<()> {
    smcify.set_fix("smc_vlan_by_tcpsk", "on")?;
    same("write", ftrace_stays()?, switch_ftrace(false))
}

/// What a livepatch has is left to it, said, and taken once it is gone.
fn busy(report: &mut Report, states: &[Fix]) -> Result<()> {
    let livepatch = Patched::load(PRFX_MATCH)?;
    let mut log = Follow::now()?;
    let smcify = Smcify::load()?;
    let but_one: Vec<Fix> = states
        .iter()
        .map(|it| match it.function == MATCH {
            true => fix(MATCH, &it.mode, "busy"),
            false => it.clone(),
        })
        .collect();
    let found = smcify.fixes()?;
    report.check(
        "busy, and the others active",
        same("fixes", &but_one, &found),
    );
    let said = log.lines();
    let is = |line: &String| line.contains(MATCH) && line.contains("somebody else's");
    let one = same(
        "lines in the log",
        1,
        said.iter().filter(|line| is(line)).count(),
    );
    report.check("the log says so", one);
    smcify.set_fix(MATCH, "on")?;
    let on = smcify.fixes()?.into_iter().find(|it| it.function == MATCH);
    let still = same("the fix", Some(fix(MATCH, "on", "busy")), on);
    report.check("on does not force it", still);
    livepatch.remove()?;
    smcify.set_fix(MATCH, "auto")?;
    let found = smcify.fixes()?;
    report.check(
        "the livepatch gone: active",
        same("fixes", states, &found[..]),
    );
    report.check("rmmod", smcify.unload());
    report.check("nothing is left", nothing_left());
    Ok(())
}

fn fix(function: &str, mode: &str, state: &str) -> Fix {
    Fix {
        function: function.into(),
        mode: mode.into(),
        state: state.into(),
    }
}

/// What `fixes` shows after insmod: 7.0 has no ULP any more, 6.18 has the series.
fn states() -> Result<Vec<Fix>> {
    let (ulp, series) = (!since(7, 0)?, !since(6, 18)?);
    let of = |function: &&str| {
        let state = match (*function, ulp, series) {
            ("smc_ulp_init", false, _) => "absent",
            ("smc_ulp_init", true, _) | (_, _, true) => "active",
            _ => "not needed",
        };
        fix(function, "auto", state)
    };
    Ok(FIXES.iter().map(of).collect())
}

fn all(smcify: &Smcify, mode: &str) -> Result<()> {
    let mut fixes = FIXES.iter();
    fixes.try_for_each(|function| smcify.set_fix(function, mode))
}

fn junk(smcify: &Smcify) -> Result<()> {
    let before = smcify.fixes()?;
    for line in ["on", "smc_ulp_init", "smc_ulp_init On", "tcp_v4_rcv on"] {
        let answer = set_fix(line).map_err(|e| e.raw_os_error());
        ensure!(answer == Err(Some(libc::EINVAL)), "{line:?}: {answer:?}");
    }
    same("fixes", before, smcify.fixes()?)
}

/// A connection goes through four of the five functions.
fn connects(report: &mut Report, when: &str) {
    let went = transfer("blocking", LOOPBACKS[0], BYTES)
        .and_then(|went| went.carried(Carrier::SmcD, Carrier::SmcD));
    report.check(format!("{when}: SMC"), went);
}
