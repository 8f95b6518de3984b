// SPDX-License-Identifier: GPL-2.0
//! What is printed: JSON, or text and tables that fit the terminal.

use crate::failure::Failure;
use crate::failure::OrFail;
use crate::failure::Result;
use comfy_table::Attribute;
use comfy_table::Cell;
use comfy_table::Color;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use std::io::ErrorKind;
use std::io::Write;
use std::io::stdout;

/// The narrowest terminal that tables are folded for, in columns.
const NARROWEST: u16 = 40;

/// What a command has to tell.
pub trait Shown: Serialize {
    /// As text, with a newline at its end.
    fn text(&self) -> String;
}

/// Prints it.
pub fn print(shown: &impl Shown, json: bool) -> Result<()> {
    match json {
        true => {
            let text = serde_json::to_string_pretty(shown);
            let text = text.or_fail("write JSON", "report this as a bug of smcify")?;
            write(&format!("{text}\n"))
        }
        false => write(&shown.text()),
    }
}

/// Writes to standard output. A reader that has gone, as `head` does, has seen enough: that
/// ends the program without a word.
pub fn write(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.or_fail("write to standard output", "look where the output goes"),
    }
}

/// Writes to standard error, where nobody can be told that it failed.
pub fn complain(failure: &Failure, json: bool) {
    let text = match json {
        true => serde_json::to_string(failure).unwrap_or_default(),
        false => failure.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An empty table with a head. Colours and width are those of the terminal, if it is one.
pub fn table(head: &[&str]) -> Table {
    let mut table = bare_table();
    table.set_header(head.iter().map(|text| match colourless() {
        true => Cell::new(text),
        false => Cell::new(text).add_attribute(Attribute::Bold),
    }));
    table
}

/// An empty table.
pub fn bare_table() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    // A serial line does not know how wide it is, and says 0.
    if table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// A table's text, without blanks at the ends of lines.
pub fn lines(table: &Table) -> String {
    let text = table.to_string();
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// A word that stands for how something is.
pub fn coloured(text: impl ToString, color: Color) -> Cell {
    let cell = Cell::new(text.to_string());
    match colourless() || color == Color::Reset {
        true => cell,
        false => cell.fg(color),
    }
}

/// Whether the user wants no colours, on a terminal either.
fn colourless() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty())
}

/// `1 rule`, `2 rules`.
pub fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
