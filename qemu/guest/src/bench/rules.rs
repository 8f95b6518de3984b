// SPDX-License-Identifier: GPL-2.0
//! What rules cost a socket that none of them covers: by their number, and by the depth of
//! its cgroup. And what they cost who makes them.

use super::column::Column;
use super::memory;
use super::tell;
use super::typical;
use crate::kernel::cgroup::Cgroup;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Result;
use guest::measure::Operation;
use std::time::Instant;

/// How many rules there are while a socket is measured.
const NUMBERS: [usize; 4] = [10, 100, 1_000, 10_000];
/// The depths of its cgroup.
const DEPTHS: [usize; 5] = [1, 2, 4, 8, 16];

/// Rules of one kind that cover nobody.
pub fn rules(kind: &str) -> Result<()> {
    let own = Cgroup::new("own")?;
    let _smcify = Smcify::load()?;
    let before = memory::of_rules()?;
    let (mut rules, mut taken) = (Vec::new(), Vec::new());
    for number in NUMBERS {
        while rules.len() < number {
            let name = name(kind, rules.len());
            let begun = Instant::now();
            rules.push(Rule::add(&name)?);
            taken.push(begun.elapsed().as_nanos() as f64);
        }
        let cost = own.with(|| Column::Unmatched.measure(Operation::Socket))?;
        tell(&format!("rules-{kind}"), &number.to_string(), cost)?;
    }
    tell(
        "rule-memory",
        kind,
        (memory::of_rules()? - before) / rules.len() as f64,
    )?;
    // The first one attaches the hook, and the last one takes it off.
    tell("rule-add", kind, typical(taken.split_off(1)))?;
    let mut taken = Vec::new();
    while let Some(rule) = rules.pop() {
        let begun = Instant::now();
        drop(rule);
        taken.push(begun.elapsed().as_nanos() as f64);
    }
    taken.pop();
    tell("rule-del", kind, typical(taken))
}

/// One that covers nobody.
fn name(kind: &str, number: usize) -> String {
    match kind {
        "comm" => format!("comm:bench-{number}"),
        kind => format!("{kind}:{}", 100_000 + number),
    }
}

/// A rule about another cgroup, for cgroups at several depths.
pub fn depth() -> Result<()> {
    let other = Cgroup::new("other")?;
    let mut cgroups = vec![Cgroup::new("own")?];
    for depth in DEPTHS {
        while let Some(last) = cgroups.last().filter(|_| cgroups.len() < depth) {
            cgroups.push(last.below("below")?);
        }
        let Some(own) = cgroups.last() else {
            continue;
        };
        for column in [Column::Nothing, Column::Unmatched] {
            let measure = || column.measure(Operation::Socket);
            let cost = column.with(own, &other, measure)??;
            tell(
                &format!("depth-{}", column.name()),
                &depth.to_string(),
                cost,
            )?;
        }
    }
    while cgroups.pop().is_some() {}
    Ok(())
}
