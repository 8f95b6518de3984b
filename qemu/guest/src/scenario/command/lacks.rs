// SPDX-License-Identifier: GPL-2.0
//! What `smcify check` says that this kernel lacks, beside what its release and its code tell;
//! and `smcify on --all`, which asks.

use super::becomes;
use super::checked;
use super::smcify;
use crate::kernel::ulp;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::utsname::uname;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::read_to_string;

const WHO: [&str; 3] = ["peer", "user", "few"];
/// How many fixes a release lacks, by who reaches the bugs.
const RELEASES: [(&str, [usize; 3]); 4] = [
    ("6.16.12", [17, 13, 4]),
    ("6.18.15", [14, 12, 3]),
    ("7.2.12", [0, 0, 1]),
    ("7.3.4", [0, 0, 0]),
];
/// What lacks a fix: a kernel with this function, or else one without it.
const FUNCTIONS: [(&str, &str, bool); 3] = [
    ("CVE-2026-46330", ulp::INIT, true),
    ("CVE-2026-31507", "smc_rx_pipe_buf_get", false),
    ("CVE-2026-90065", "smc_inet_destroy_sock", false),
];
const LINE: &str = "fixes of net/smc";

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    report.check("by the release", by_release());
    report.check("by the code", by_code());
    let smcify = Smcify::load()?;
    report.check("by the release, with smcify", by_release());
    report.check("by the code, with smcify", by_code());
    report.check("closed by live fixes", closed(&smcify));
    report.check("a live fix that is off", off(&smcify));
    report.check("in words", in_words());
    report.check("on --all asks", asks(&smcify));
    report.check("rmmod", smcify.unload());
    Ok(())
}

/// What the kernel lacks, by `smcify check`. Without smcify that one says what else is amiss.
fn lacks() -> Result<Vec<Value>> {
    let json: Value = serde_json::from_str(&smcify("check --json")?.out)?;
    let list = json["lacks"].as_array().cloned();
    list.with_context(|| format!("no list: {json}"))
}

/// How many of these there ought to be; nothing if the release is none of those above.
fn expected() -> Result<Option<[usize; 3]>> {
    let release = uname()?.release().to_string_lossy().into_owned();
    let version = release.split(['-', '+']).next().unwrap_or_default();
    let known = RELEASES.iter().find(|(release, _)| *release == version);
    Ok(known.map(|(_, numbers)| *numbers))
}

fn by_release() -> Result<()> {
    let lacks = lacks()?;
    let of = |who: &str| lacks.iter().filter(|it| it["who"] == who).count();
    match expected()? {
        Some(expected) => same("by who reaches it", expected, WHO.map(of)),
        None => Ok(()),
    }
}

fn by_code() -> Result<()> {
    let symbols = read_to_string("/proc/kallsyms")?;
    let there = |name: &str| {
        let mut names = symbols.lines().map(|it| it.split_whitespace().nth(2));
        names.any(|it| it == Some(name))
    };
    let lacks = lacks()?;
    for (cve, function, with) in FUNCTIONS {
        let listed = lacks.iter().any(|it| it["cve"] == cve);
        same(cve, there(function) == with, listed)?;
    }
    Ok(())
}

/// Each live fix in force closes something; nothing else is closed.
fn closed(smcify: &Smcify) -> Result<()> {
    let fixes = smcify.fixes()?.into_iter();
    let active = fixes.filter(|it| it.state == "active");
    let active: BTreeSet<String> = active.map(|it| it.function).collect();
    let mut closing = BTreeSet::new();
    for it in lacks()? {
        let live = it["live"].as_array().context("no live fixes")?;
        same(
            &it.to_string(),
            Some(!live.is_empty()),
            it["closed"].as_bool(),
        )?;
        let functions = live.iter().filter_map(|it| it["function"].as_str());
        closing.extend(functions.map(str::to_owned));
    }
    same("live fixes", active, closing)
}

fn off(smcify: &Smcify) -> Result<()> {
    let closed = |lacks: &[Value]| {
        let of_ulp = lacks.iter().find(|it| it["function"] == ulp::INIT);
        of_ulp.and_then(|it| it["closed"].as_bool())
    };
    if closed(&lacks()?).is_none() {
        return Ok(());
    }
    smcify.set_fix(ulp::INIT, "off")?;
    let said = self::smcify("check --json");
    let lacks = lacks();
    smcify.set_fix(ulp::INIT, "auto")?;
    let line = checked(&said?, LINE)?;
    let next = line["next"].as_str().unwrap_or_default();
    ensure!(next.contains("smc_ulp_init auto"), "{line}");
    same("closed", Some(false), closed(&lacks?))
}

fn in_words() -> Result<()> {
    let said = smcify("check")?;
    let lacks = lacks()?;
    let hedged = said.out.contains("unless its distribution has carried");
    same("a hedge", !lacks.is_empty(), hedged)?;
    for it in &lacks {
        let name = it["cve"].as_str().unwrap_or("no CVE known");
        let without = it["without"].as_str().context("no meaning")?;
        let row = |line: &str| line.contains(name) && line.contains(without);
        ensure!(said.out.lines().any(row), "no row {it} in {}", said.out);
    }
    Ok(())
}

/// It says what is amiss instead, where others reach that; once told to go on, it does.
fn asks(smcify: &Smcify) -> Result<()> {
    let amiss = match expected()? {
        Some([peer, user, _]) => peer + user > 0,
        None => lacks()?
            .iter()
            .any(|it| it["who"] != "few" && it["closed"] == false),
    };
    match amiss {
        true => {
            let told = ["any peer", "smcify check", "smcify on --all --yes"];
            self::smcify("on --all")?.ends(7, &told)?;
            same("default", "tcp", smcify.default()?.as_str())?;
        }
        false => becomes("on --all", IPPROTO_SMC)?,
    }
    becomes("on --all --yes", IPPROTO_SMC)?;
    becomes("off --all", IPPROTO_TCP)
}
