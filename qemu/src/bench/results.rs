// SPDX-License-Identifier: GPL-2.0
//! The numbers of a bench, by kernel, row and column; as JSON and as tables.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use comfy_table::CellAlignment;
use comfy_table::Table;
use guest::measure::MEASURED;
use guest::measure::Measured;
use serde::Deserialize;
use serde::Serialize;

/// The results' file.
pub const FILE: &str = "results.json";

/// A row: numbers by column.
pub type Row = BTreeMap<String, f64>;
/// The rows of a kernel.
pub type Rows = BTreeMap<String, Row>;

/// All numbers, by the kernel's release.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Results(pub BTreeMap<String, Rows>);

impl Results {
    /// What a guest with the kernel `release` has printed.
    pub fn read(release: &str, said: &str) -> Result<Results> {
        let mut rows = Rows::new();
        for line in said.lines().filter_map(|line| line.strip_prefix(MEASURED)) {
            let measured = serde_json::from_str(line);
            let measured: Measured = measured.with_context(|| format!("no number: {line}"))?;
            let row = rows.entry(measured.row).or_default();
            row.insert(measured.column, measured.value.round());
        }
        Ok(Results(BTreeMap::from([(release.to_string(), rows)])))
    }

    /// Adds what another guest has measured.
    pub fn add(&mut self, other: Results) {
        for (release, rows) in other.0 {
            let own = self.0.entry(release).or_default();
            for (name, row) in rows {
                own.entry(name).or_default().extend(row);
            }
        }
    }

    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For the terminal: a line for each row.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for (release, rows) in &self.0 {
            let mut table = Table::new();
            table.load_preset(comfy_table::presets::NOTHING);
            for (name, row) in rows {
                let cells = ordered(row).into_iter();
                let cells = cells.map(|(column, value)| format!("{column} {value}"));
                table.add_row([name.clone(), cells.collect::<Vec<_>>().join("  ")]);
            }
            if let Some(column) = table.column_mut(0) {
                column.set_cell_alignment(CellAlignment::Left);
            }
            text += &format!("Linux {release}\n{table}\n");
        }
        text
    }
}

/// The columns' order on paper; others come behind, numbers by size.
const ORDER: [&str; 10] = [
    "nothing",
    "idle",
    "unmatched",
    "selected",
    "unfixed",
    "explicit",
    "bpf-unmatched",
    "bpf-selected",
    "preload",
    "ulp",
];

/// The columns of a row, in their order.
pub fn ordered(row: &Row) -> Vec<(&str, f64)> {
    let mut columns: Vec<_> = row
        .iter()
        .map(|(it, value)| (it.as_str(), *value))
        .collect();
    let place = |column: &str| ORDER.iter().position(|it| *it == column);
    let number = |column: &str| column.parse::<u64>().ok();
    columns.sort_by_key(|(it, _)| (place(it).unwrap_or(ORDER.len()), number(it)));
    columns
}

/// The results that the checkout's last commit has, if it has any.
pub fn committed() -> Result<Option<Results>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(setup::checkout());
    git.args(["show", &format!("HEAD:./bench/{FILE}")]);
    let Ok(output) = git.output() else {
        return Ok(None);
    };
    if !output.status.success() {
        return Ok(None);
    }
    let results = serde_json::from_slice(&output.stdout);
    results.context("the committed results are not a bench's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guests_say_becomes_rows() {
        let said = "x\nbench: {\"row\":\"unix\",\"column\":\"idle\",\"value\":6280.4}\n";
        let mut results = Results::read("7.2", said).expect("a number");
        let said = "bench: {\"row\":\"unix\",\"column\":\"nothing\",\"value\":6280}\n";
        results.add(Results::read("7.2", said).expect("a number"));
        let row = &results.0["7.2"]["unix"];
        assert_eq!(ordered(row), [("nothing", 6280.0), ("idle", 6280.0)]);
        let json = results.json().expect("JSON");
        assert_eq!(
            serde_json::from_str::<Results>(&json).expect("back"),
            results
        );
        assert!(Results::read("7.2", "bench: x").is_err());
    }

    #[test]
    fn numbers_are_ordered_by_size() {
        let row = ["1000", "10", "none"].map(|it| (it.to_string(), 0.0));
        let names: Vec<_> = ordered(&row.into())
            .iter()
            .map(|(it, _)| it.to_string())
            .collect();
        assert_eq!(names, ["none", "10", "1000"]);
    }
}
