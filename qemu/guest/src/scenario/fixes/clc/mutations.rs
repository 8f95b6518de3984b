// SPDX-License-Identifier: GPL-2.0
//! Malformed Proposals by the thousand: the kernel does not complain, and the listener goes
//! on serving.

use super::MATCH;
use super::mutate::Mutator;
use super::mutate::is_early_decline;
use super::street::Street;
use super::table;
use crate::kernel::facts::kernel;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::collections::BTreeMap;
use std::thread::scope;
use std::time::Instant;

/// How many clients there are at a time.
const CLIENTS: usize = 4;

/// The first client's seed; the next one has the next.
const SEED: u64 = 0x5eed;

/// How often each answer came.
type Answers = BTreeMap<String, usize>;

/// The scenario, with so many messages.
pub fn mutations(report: &mut Report, count: usize) -> Result<()> {
    let smcify = Smcify::load()?;
    report.check("smcify is in force", smcify.has_fixed(MATCH));
    let street = Street::build()?;
    table::after_all(report, &street);
    let begun = Instant::now();
    let all = scope(|threads| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let street = &street;
                threads.spawn(move || {
                    street
                        .client
                        .run(|| client(street, number, count / CLIENTS))
                })
            })
            .collect();
        let ended = clients.into_iter().map(joined);
        ended.collect::<Result<Vec<Answers>>>()
    });
    report.check(
        format!("{count} mutations, seeds from {SEED:#x}"),
        all.and_then(|all| sum(report, all, count)),
    );
    report.note(format!("{:.1} s", begun.elapsed().as_secs_f32()));
    table::after_all(report, &street);
    street.close()
}

fn sum(report: &Report, all: Vec<Answers>, count: usize) -> Result<()> {
    let mut sum = Answers::new();
    for (answer, times) in all.into_iter().flatten() {
        *sum.entry(answer).or_default() += times;
    }
    for (answer, times) in &sum {
        report.note(format!("{times} times {answer}"));
    }
    let said = sum.values().sum::<usize>();
    ensure!(said == count, "{said} messages of {count}");
    Ok(())
}

fn client(street: &Street, number: usize, count: usize) -> Result<Answers> {
    let spared = kernel()? == "vulnerable";
    let messages = Mutator::new(SEED + number as u64).take(count);
    let mut answers = Answers::new();
    for (turn, message) in messages.enumerate() {
        if spared && is_early_decline(&message) {
            *answers
                .entry("not said: an early Decline".into())
                .or_default() += 1;
            continue;
        }
        let answer = street
            .ask(street.next_address(), &message)
            .with_context(|| format!("client {number}, message {turn}: {message:02x?}"))?;
        *answers.entry(answer.to_string()).or_default() += 1;
    }
    Ok(answers)
}
