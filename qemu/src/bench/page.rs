// SPDX-License-Identifier: GPL-2.0
//! The page: the numbers, drawn and in tables, and how to get them again.

use anyhow::Result;
use maud::Markup;
use maud::PreEscaped;
use maud::html;

use crate::facts::Fact;
use crate::page;

use super::plot;
use super::plot::grouped;
use super::results::Results;
use super::results::Rows;
use super::results::ordered;
use super::targets::KINDS;
use super::targets::Verdict;

/// All that the page shows.
pub struct Page<'a> {
    pub facts: Vec<Fact>,
    /// The kernels' configuration, by file.
    pub config: Vec<(&'static str, String)>,
    /// In instructions.
    pub counted: &'a Results,
    /// In nanoseconds, where a guest's time is real.
    pub timed: Option<&'a Results>,
    pub verdicts: &'a [Verdict],
    /// Whether all of it is as it must be.
    pub good: bool,
}

/// What the columns are, in their order.
const COLUMNS: [(&str, &str); 10] = [
    ("nothing", "nothing loaded"),
    ("idle", "smcify, idle"),
    ("unmatched", "smcify, no rule matches"),
    ("selected", "smcify, selected"),
    ("unfixed", "the same, live fixes off"),
    ("explicit", "IPPROTO_SMC"),
    ("bpf-unmatched", "BPF, no match"),
    ("bpf-selected", "BPF, selected"),
    ("preload", "LD_PRELOAD"),
    ("ulp", "TCP_ULP"),
];

/// What the rows are that have them.
const ROWS: [(&str, &str); 9] = [
    ("socket", "socket() + close(), TCP asked for"),
    ("connect", "connect, 1 byte each way, close"),
    ("stream", "streaming, per 64 KiB"),
    ("ping", "ping-pong of 64 bytes"),
    ("unix", "AF_UNIX socket() + close()"),
    ("udp", "UDP"),
    ("udp6", "UDP over IPv6"),
    ("netlink", "netlink"),
    ("mptcp", "MPTCP"),
];

/// Others: their names, and their units where these are not the section's.
const MORE: [(&str, &str, &str); 7] = [
    ("syn", "refused connect(), by handshake rules", ""),
    ("insmod", "insmod", "ns of guest time"),
    ("rmmod", "rmmod", "ns of guest time"),
    ("rule-add", "a rule is made", "ns of guest time"),
    ("rule-del", "a rule is removed", "ns of guest time"),
    (
        "rule-memory",
        "memory for a rule, with 200 bytes that configfs takes for any directory",
        "bytes",
    ),
    ("module", "smcify.ko", "bytes"),
];

impl Page<'_> {
    pub fn html(&self) -> Result<String> {
        let mut drawn = Vec::new();
        for (release, rows) in &self.counted.0 {
            drawn.push((release, drawings(rows)?));
        }
        let body = html! {
            header {
                h1 { "smcify: what it costs" }
                p.lead {
                    "Counted in instructions: the guest has one processor, and its clock goes on by one with each of \
                    them. So the numbers are nearly the same on every host, however busy: two runs differ by less than 1 %. They say nothing of caches and of \
                    instructions that take long; compare columns of one row."
                }
                p.verdict.good[self.good].bad[!self.good] {
                    @if self.good { "All targets met" } @else { "Not as it must be" }
                }
            }
            main {
                (self.targets())
                @for (release, drawings) in &drawn {
                    section {
                        h2 { "Linux " (release) }
                        @for (title, svg) in drawings {
                            h3 { (title) }
                            div.chart { (PreEscaped(svg)) }
                        }
                        (tables(&self.counted.0[*release], "instructions"))
                    }
                }
                @for (release, rows) in self.timed.iter().flat_map(|timed| &timed.0) {
                    section {
                        h2 { "Linux " (release) ", real time, by KVM" }
                        (tables(rows, "nanoseconds"))
                    }
                }
                (self.made_with())
            }
        };
        Ok(page::page(
            "smcify: what it costs",
            include_str!("page.css"),
            &body,
        ))
    }

    fn targets(&self) -> Markup {
        html! {
            section {
                h2 { "Targets" }
                div.wide {
                table.targets {
                    thead { tr { th {} th { "What" } th { "Kernel" } th { "Found" } th { "May be" } } }
                    tbody {
                        @for verdict in self.verdicts {
                            tr {
                                td class=(if verdict.good() { "met" } else { "missed" }) {}
                                td { (verdict.what) }
                                td { (verdict.release) }
                                td { (short(verdict.found)) " " (verdict.unit) }
                                td { (short(verdict.limit)) }
                            }
                        }
                    }
                }
                }
            }
        }
    }

    fn made_with(&self) -> Markup {
        html! {
            section {
                h2 { "How this page was made" }
                pre { code { "make bench" } }
                table.facts {
                    @for (name, value) in &self.facts {
                        tr { th scope="row" { (name) } td { (value) } }
                    }
                }
                @if !self.config.is_empty() {
                    p { "The kernels are configured by these fragments over " code { "allnoconfig" }
                        "; the one with the ULP has " code { "vulnerable.config" } " instead of " code { "fixed.config" } "." }
                }
                @for (name, text) in &self.config {
                    details { summary { code { (name) } } pre { (text) } }
                }
            }
        }
    }
}

/// The drawings of a kernel's numbers that can be made of them: titles and SVG.
fn drawings(rows: &Rows) -> Result<Vec<(&'static str, String)>> {
    let mut drawn = Vec::new();
    let cell = |row: &str, column: &str| rows.get(row).and_then(|it| it.get(column)).copied();
    let named = |row: &str, wanted: &[&str], from: f64| -> Vec<(&str, f64)> {
        let columns = COLUMNS.iter().filter(|(column, _)| wanted.contains(column));
        columns
            .filter_map(|(column, name)| Some((*name, cell(row, column)? - from)))
            .collect()
    };
    if let Some(nothing) = cell("socket", "nothing") {
        let left_alone = named("socket", &["idle", "unmatched", "bpf-unmatched"], nothing);
        drawn.push((
            "A TCP socket that is left alone: instructions more than with nothing loaded",
            plot::bars("instructions", &left_alone)?,
        ));
    }
    let smc = ["selected", "explicit", "bpf-selected", "preload", "ulp"];
    let smc = named("socket", &smc, 0.0);
    if !smc.is_empty() {
        let svg = plot::bars("instructions", &smc)?;
        drawn.push(("A socket that becomes SMC, from creation to close", svg));
    }
    for (row, title) in [
        ("connect", "Connect, a byte each way, close"),
        ("stream", "Streaming, per 64 KiB"),
        ("ping", "Ping-pong of 64 bytes"),
    ] {
        let all = COLUMNS.map(|(column, _)| column);
        let bars = named(row, &all, 0.0);
        if !bars.is_empty() {
            drawn.push((title, plot::bars("instructions", &bars)?));
        }
    }
    let points = |row: &str, less: &dyn Fn(&str) -> Option<f64>| -> Vec<(f64, f64)> {
        let columns = rows.get(row).map(ordered).unwrap_or_default();
        columns
            .into_iter()
            .filter_map(|(column, value)| Some((column.parse().ok()?, value - less(column)?)))
            .collect()
    };
    let nothing = |_: &str| cell("socket", "nothing");
    let kinds = KINDS.map(|kind| (kind, points(&format!("rules-{kind}"), &nothing)));
    if kinds.iter().all(|(_, points)| !points.is_empty()) {
        drawn.push((
            "Rules of one kind, none of which matches: instructions more for a socket",
            plot::lines("rules", "instructions", true, &kinds)?,
        ));
    }
    let alone = |depth: &str| cell("depth-nothing", depth);
    let depths = points("depth-unmatched", &alone);
    if !depths.is_empty() {
        drawn.push((
            "One cgroup rule that does not match, by the depth of the program's cgroup",
            plot::lines("depth", "instructions", false, &[("smcify", depths)])?,
        ));
    }
    Ok(drawn)
}

fn tables(rows: &Rows, unit: &str) -> Markup {
    let rules = KINDS.map(|kind| {
        (
            format!("rules-{kind}"),
            format!("{kind} rules, by their number"),
        )
    });
    let depths = ["nothing", "unmatched"].map(|column| {
        let name = COLUMNS.iter().find(|(it, _)| *it == column);
        let name = name.map_or("", |(_, name)| name);
        (
            format!("depth-{column}"),
            format!("{name}, by cgroup depth"),
        )
    });
    let by_number: Vec<_> = rules.into_iter().chain(depths).collect();
    html! {
        h3 { "In " (unit) ", and as a multiple of the same with nothing loaded" }
        div.wide {
            table.bench {
                thead { tr { th {} @for (_, title) in COLUMNS { th { (title) } } } }
                tbody {
                    @for (name, title) in ROWS {
                        @if let Some(row) = rows.get(name) {
                            tr {
                                th scope="row" { (title) }
                                @for (column, _) in COLUMNS {
                                    td {
                                        @if let Some(value) = row.get(column) {
                                            (grouped(*value))
                                            @if let Some(nothing) = row.get("nothing") {
                                                small { (format!("{:.3}", value / nothing)) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        h3 { "socket() + close() that no rule matches, in " (unit) }
        @for (name, title) in &by_number { (line(rows, name, title, "")) }
        h3 { "And else" }
        @for (name, title, own) in MORE {
            (line(rows, name, title, if own.is_empty() { unit } else { own }))
        }
    }
}

/// With a digit behind the point if that says something.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    match text {
        "-0" => "0".into(),
        text => text.into(),
    }
}

/// A row whose columns are its own.
fn line(rows: &Rows, name: &str, title: &str, unit: &str) -> Markup {
    let Some(row) = rows.get(name) else {
        return html! {};
    };
    html! {
        p {
            b { (title) } ": "
            @for (number, (column, value)) in ordered(row).into_iter().enumerate() {
                @if number > 0 { ", " }
                (column) " " (grouped(value))
            }
            " " (unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_on_the_page() {
        let said = |row: &str, column: &str, value: u32| {
            format!("bench: {{\"row\":\"{row}\",\"column\":\"{column}\",\"value\":{value}}}\n")
        };
        let mut all = said("socket", "nothing", 8500) + &said("socket", "explicit", 14_350);
        for kind in KINDS {
            all += &said(&format!("rules-{kind}"), "10", 8600);
        }
        all += &said("unix", "nothing", 6280);
        let counted = Results::read("7.2", &all).expect("numbers");
        let page = Page {
            facts: vec![("Kernel", "Linux 7.2".into())],
            config: Vec::new(),
            counted: &counted,
            timed: None,
            verdicts: &[],
            good: false,
        };
        let html = page.html().expect("drawn");
        for text in ["14,350", "1.688", "<svg", "Not as it must be", "uid rules"] {
            assert!(html.contains(text), "{text}");
        }
        assert!(!html.contains("http://") || html.contains("http://www.w3.org"));
    }
}
