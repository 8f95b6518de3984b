// SPDX-License-Identifier: GPL-2.0
//! What the page says of each row: prose for a reader who does not know the kernel, and
//! the lives of the objects, to be drawn. What happened is not in here.

use anyhow::Context;
use anyhow::Result;
use serde::Deserialize;

/// The rows in the page's order, each with its text.
const ROWS: [(&str, &str); 7] = [
    ("ulp-opath", include_str!("rows/ulp-opath.toml")),
    ("ulp-race", include_str!("rows/ulp-race.toml")),
    ("vlan", include_str!("rows/vlan.toml")),
    ("ism", include_str!("rows/ism.toml")),
    ("roce", include_str!("rows/roce.toml")),
    ("clc", include_str!("rows/clc.toml")),
    ("class", include_str!("rows/class.toml")),
];

/// The text of one row. Prose is HTML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub title: String,
    /// The function of the kernel that is wrong, and what makes it so.
    pub subject: String,
    /// What the program does, and what goes wrong.
    pub story: String,
    pub without: Course,
    pub with: Course,
    /// The report of which five lines are explained, if there is any.
    pub report: Option<Explained>,
    /// What the object code shows, where that is part of the proof.
    pub disassembly: Option<String>,
}

/// The course of a run, as drawn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// What to look at.
    pub says: String,
    /// What happens, in order; the moments are counted from 1.
    pub moments: Vec<String>,
    pub objects: Vec<Object>,
}

/// An object and its life, in moments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    pub name: String,
    pub from: usize,
    /// When it is freed, or would be without smcify; none: after the last moment.
    pub to: Option<usize>,
    /// Until when smcify keeps it.
    pub held: Option<usize>,
    /// When it is used after its end.
    #[serde(default)]
    pub uses: Vec<Use>,
}

/// A use of an object after its end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    pub at: usize,
    /// The function that a report must name for it to be drawn.
    pub by: String,
}

/// The lines of a report that matter, in plain words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// The function that the report is about.
    pub function: String,
    pub lines: Vec<Line>,
}

/// A line of a report, in plain words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[serde(rename = "in")]
    pub place: Place,
    /// The function whose frame it is, on a stack.
    #[serde(default)]
    pub function: String,
    pub says: String,
}

/// Where in a report.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The line that names the complaint.
    Title,
    /// The line with the address.
    Access,
    /// The stack of who did it.
    Trace,
    /// The stack of who allocated the object.
    Allocated,
    /// The stack of who freed it, or gave it to RCU.
    Freed,
    /// What KASAN adds to an oops.
    Range,
    /// The line with the task that was running.
    Task,
    /// The line with the instruction that was refused.
    Rip,
}

/// The names of the rows.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name)
}

/// The text of row `name`.
pub fn text(name: &str) -> Result<Text> {
    let found = ROWS.iter().find(|(row, _)| *row == name);
    let (_, text) = found.with_context(|| format!("the proof has no text for {name}"))?;
    toml::from_str(text).with_context(|| format!("rows/{name}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_read_and_its_moments_exist() {
        for name in names() {
            let text = text(name).expect("it is in the list");
            for course in [&text.without, &text.with] {
                let last = course.moments.len();
                for object in &course.objects {
                    let uses = object.uses.iter().map(|it| it.at);
                    let ends = object.to.into_iter().chain(object.held);
                    for moment in uses.clone().chain(ends).chain([object.from]) {
                        assert!((1..=last).contains(&moment), "{name}: {object:?}");
                    }
                    let end = object.held.or(object.to);
                    let mut after = uses.map(|at| end.is_some_and(|end| end < at));
                    assert!(after.all(|it| it), "{name}: {object:?}");
                    assert!(object.from < end.unwrap_or(last + 1), "{name}: {object:?}");
                }
            }
            let quiet = text.with.objects.iter().all(|it| it.uses.is_empty());
            assert!(quiet, "{name}: with smcify, nothing is used after its end");
            let lines = text.report.map_or(5, |report| report.lines.len());
            assert_eq!(lines, 5, "{name}");
        }
        assert!(text("none").is_err());
    }
}
