// SPDX-License-Identifier: GPL-2.0
//! What the numbers must be: the limits that `make bench` holds the numbers against.

use super::results::Results;
use super::results::Rows;

/// A target, and what was found.
pub struct Verdict {
    /// The kernel's release.
    pub release: String,
    pub what: String,
    pub found: f64,
    /// The largest that is good.
    pub limit: f64,
    pub unit: &'static str,
}

impl Verdict {
    pub fn good(&self) -> bool {
        self.found <= self.limit
    }
}

const INSTRUCTIONS: &str = "instructions";
const PERCENT: &str = "%";
const BYTES: &str = "bytes";

/// Two runs of the same differ by so much of the whole, in percent.
const NOISE: f64 = 0.1;
/// What is the same but for noise: so many instructions.
const FLAT: f64 = 12.0;
/// What configfs takes for any directory, in bytes: a `struct config_group`, and a
/// `struct configfs_fragment` from `kmalloc-64`.
const CONFIGFS: f64 = 136.0 + 64.0;

/// The kinds of rules about tasks.
pub const KINDS: [&str; 4] = ["cgroup", "comm", "uid", "netns"];
/// Sockets that never become SMC.
pub const OTHERS: [&str; 5] = ["unix", "udp", "udp6", "netlink", "mptcp"];

/// All that can be said of what was measured.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (release, rows) in &results.0 {
        let mut all = Vec::new();
        sockets(rows, &mut all);
        rules(rows, &mut all);
        connections(rows, &mut all);
        verdicts.extend(all.into_iter().filter_map(|(what, found, limit, unit)| {
            Some(Verdict {
                release: release.clone(),
                what,
                found: found?,
                limit: limit?,
                unit,
            })
        }));
    }
    verdicts
}

type Line = (String, Option<f64>, Option<f64>, &'static str);

fn cell(rows: &Rows, row: &str, column: &str) -> Option<f64> {
    rows.get(row)?.get(column).copied()
}

/// What `column` of a row has more than `than`.
fn more(rows: &Rows, row: &str, column: &str, than: &str) -> Option<f64> {
    Some(cell(rows, row, column)? - cell(rows, row, than)?)
}

/// By how much two columns of a row differ, in percent of the second.
fn off(rows: &Rows, row: &str, column: &str, than: &str) -> Option<f64> {
    Some(more(rows, row, column, than)? * 100.0 / cell(rows, row, than)?)
}

fn sockets(rows: &Rows, lines: &mut Vec<Line>) {
    let added = |column| more(rows, "socket", column, "nothing");
    lines.extend([
        (
            "idle module, beside nothing loaded".into(),
            off(rows, "socket", "idle", "nothing").map(f64::abs),
            Some(NOISE),
            PERCENT,
        ),
        (
            "a cgroup rule that does not match".into(),
            added("unmatched"),
            Some(120.0),
            INSTRUCTIONS,
        ),
        (
            "the same, beside a third of what BPF adds".into(),
            added("unmatched"),
            added("bpf-unmatched").map(|bpf| bpf / 3.0),
            INSTRUCTIONS,
        ),
        (
            "selected, beside IPPROTO_SMC".into(),
            more(rows, "socket", "selected", "explicit"),
            Some(150.0),
            INSTRUCTIONS,
        ),
    ]);
    for row in OTHERS {
        for column in ["unmatched", "selected"] {
            lines.push((
                format!("{row} sockets, {column}"),
                more(rows, row, column, "nothing"),
                Some(60.0),
                INSTRUCTIONS,
            ));
        }
    }
}

fn rules(rows: &Rows, lines: &mut Vec<Line>) {
    for kind in KINDS {
        lines.push((
            format!("10,000 {kind} rules, beside 10"),
            more(rows, &format!("rules-{kind}"), "10000", "10").map(f64::abs),
            Some(FLAT),
            INSTRUCTIONS,
        ));
        lines.push((
            format!("memory for a {kind} rule, beside configfs' own"),
            cell(rows, "rule-memory", kind).map(|it| it - CONFIGFS),
            Some(256.0),
            BYTES,
        ));
    }
    let added = |depth| {
        let cost = cell(rows, "depth-unmatched", depth)?;
        Some(cost - cell(rows, "depth-nothing", depth)?)
    };
    let a_level = || Some((added("16")? - added("1")?) / 15.0);
    lines.push((
        "a level of cgroups".into(),
        a_level(),
        Some(12.0),
        INSTRUCTIONS,
    ));
    lines.push((
        "10,000 prefixes of one length: the look-up in a SYN".into(),
        more(rows, "syn", "10000", "none"),
        Some(150.0),
        INSTRUCTIONS,
    ));
}

fn connections(rows: &Rows, lines: &mut Vec<Line>) {
    for (row, what) in [
        ("connect", "connect, a byte each way, close"),
        ("stream", "streaming"),
        ("ping", "ping-pong"),
    ] {
        // Where a kernel needs live fixes, what they take is their price, and not the hook's.
        let fixes = cell(rows, row, "unfixed").is_some();
        let (column, without) = match fixes {
            true => ("unfixed", ", live fixes off"),
            false => ("selected", ""),
        };
        lines.push((
            format!("{what}: selected{without}, beside IPPROTO_SMC"),
            off(rows, row, column, "explicit"),
            Some(1.0),
            PERCENT,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed() {
        let said = |unmatched| {
            let line = |column: &str, value: u32| {
                format!("bench: {{\"row\":\"socket\",\"column\":\"{column}\",\"value\":{value}}}\n")
            };
            let all = line("nothing", 8500) + &line("unmatched", unmatched);
            verdicts(&Results::read("7.2", &all).expect("numbers"))
        };
        // One: without BPF there is nothing to compare with.
        assert_eq!(said(8620).len(), 1);
        assert!(said(8620)[0].good());
        assert!(!said(8621)[0].good());
    }
}
