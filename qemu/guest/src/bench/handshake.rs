// SPDX-License-Identifier: GPL-2.0
//! What handshake rules cost a SYN: a connection that is refused at once sends one.

use super::column::Column;
use super::tell;
use crate::kernel::cgroup::Cgroup;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Result;
use guest::measure::Operation;
use std::net::Ipv4Addr;

const PREFIXES: u32 = 10_000;
/// The lengths of prefixes that are mixed.
const LENGTHS: [u32; 17] = [
    8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32,
];

/// Without rules, with prefixes of one length, and of many.
pub fn handshake() -> Result<()> {
    let own = Cgroup::new("own")?;
    let measure = || own.with(|| Column::Explicit.measure(Operation::Refused));
    let _smcify = Smcify::load()?;
    tell("syn", "none", measure()?)?;
    let first = match Rule::add(&prefix(0, 24)) {
        Ok(rule) => rule,
        Err(why) => {
            println!("handshake rules: not here: {why:#}");
            return Ok(());
        }
    };
    tell("syn", "one", measure()?)?;
    drop(first);
    let rules: Result<Vec<_>> = (0..PREFIXES).map(|n| Rule::add(&prefix(n, 24))).collect();
    tell("syn", "10000", measure()?)?;
    drop(rules?);
    let mixed = LENGTHS.iter().flat_map(|length| {
        let room = 1 << (length - 4).min(20);
        (0..(PREFIXES / LENGTHS.len() as u32).min(room)).map(move |n| prefix(n, *length))
    });
    let rules: Result<Vec<_>> = mixed.map(|name| Rule::add(&name)).collect();
    tell("syn", "mixed", measure()?)?;
    drop(rules?);
    Ok(())
}

/// The prefix number `number` of this length, none of which has loopback in it.
fn prefix(number: u32, length: u32) -> String {
    let address = Ipv4Addr::from(0x8000_0000 | number << (32 - length));
    format!("dst:{address}:{length}")
}
