// SPDX-License-Identifier: GPL-2.0
//! What rules cost each `socket()`, in instructions: the guest's clock counts them. No more
//! with 10,000 of them than with 10.

use crate::cgroup::Cgroup;
use crate::rule::Rule;
use crate::scenario::Report;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::time::Instant;

/// Sockets of one measurement, and how often that is made; the least counts.
const SOCKETS: u32 = 200;
const TIMES: usize = 10;

/// The scenario.
pub fn cost(report: &mut Report) -> Result<()> {
    let _smcify = Smcify::load()?;
    let top = Cgroup::new("cost")?;
    let middle = top.below("middle")?;
    let bottom = middle.below("bottom")?;
    bottom.with(|| {
        let nothing = socket()?;
        let mut rules = Vec::new();
        let mut with = |count: usize| {
            for number in rules.len()..count {
                rules.push(rule(number)?);
            }
            let cost = socket()?;
            let more = cost - nothing;
            report.note(format!("{count} rules: {cost} instructions, {more} more"));
            Ok::<u32, anyhow::Error>(cost)
        };
        report.note(format!("no rule: {nothing} instructions"));
        let (few, many) = (with(10)?, with(10_000)?);
        report.check(
            "10,000 rules cost what 10 cost, give or take 5 %",
            near(few, many, few / 20),
        );
        report.check(
            "and the hook alone what it cost, give or take half",
            near(few - nothing, many - nothing, (few - nothing) / 2),
        );
        Ok(())
    })
}

fn near(expected: u32, found: u32, by: u32) -> Result<()> {
    ensure!(
        expected.abs_diff(found) <= by,
        "{expected} and {found} instructions"
    );
    Ok(())
}

/// One of the rules that cover nobody, of each kind in turn.
fn rule(number: usize) -> Result<Rule> {
    Rule::add(&match number % 4 {
        0 => format!("cgroup:{}", 100_000 + number),
        1 => format!("comm:cost-{number}"),
        2 => format!("uid:{}", 100_000 + number),
        _ => format!("netns:{}", 100_000 + number),
    })
}

/// How many instructions a socket takes, from its creation to its end.
fn socket() -> Result<u32> {
    let mut least = u128::MAX;
    for _ in 0..TIMES {
        let begun = Instant::now();
        for _ in 0..SOCKETS {
            Socket::new_raw(Domain::IPV4, Type::STREAM, None).context("socket")?;
        }
        least = least.min(begun.elapsed().as_nanos() / u128::from(SOCKETS));
    }
    Ok(u32::try_from(least)?)
}
