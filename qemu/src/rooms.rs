// SPDX-License-Identifier: GPL-2.0
//! The rooms of a crate: which of its directories uses which, in one direction only.

use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use regex::Regex;

/// Each crate's rooms, from the lowest to the topmost: one uses those before it.
pub const ROOMS: [(&str, &[&str]); 2] = [
    (
        "src",
        &[
            "bindings",
            "compat",
            "rules",
            "net",
            "trace",
            "stream",
            "hook",
            "handshake",
            "fixes",
            "control",
        ],
    ),
    (
        "qemu/guest/src",
        &["kernel", "program", "smcify", "bench", "scenario"],
    ),
];

/// What does not keep to the order below `dir`, a line for each.
pub fn wrong(dir: &Path, rooms: &[&str]) -> Result<Vec<String>> {
    let path = Regex::new(r"\bcrate::([a-z_0-9]+)")?;
    let mut wrong = Vec::new();
    for (place, room) in rooms.iter().enumerate() {
        for file in rust_files(&dir.join(room))? {
            let text = fs::read_to_string(&file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            for (number, line) in text.lines().enumerate() {
                // What is only mentioned is not used.
                let code = line.split("//").next().unwrap_or_default();
                let used = path.captures_iter(code).map(|found| found[1].to_string());
                let above = |used: &String| rooms.iter().skip(place + 1).any(|it| it == used);
                wrong.extend(used.filter(above).map(|used| {
                    let at = format!("{}:{}", file.display(), number + 1);
                    format!("{at}: {room} is below {used}, which it uses")
                }));
            }
        }
    }
    wrong.extend(strangers(dir, rooms)?);
    Ok(wrong)
}

/// Directories that the list does not have, and rooms that are not there.
fn strangers(dir: &Path, rooms: &[&str]) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Cargo's own: programs, each a crate.
        if entry.path().is_dir() && name != "bin" && !rooms.contains(&name.as_str()) {
            found.push(format!(
                "{}: a room that qemu/src/rooms.rs does not have",
                entry.path().display()
            ));
        }
    }
    Ok(found)
}

/// All Rust files below `dir`.
pub fn rust_files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir);
        for entry in entries.with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            match path.is_dir() {
                true => dirs.push(path),
                false if path.extension().is_some_and(|it| it == "rs") => files.push(path),
                false => {}
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_uses_those_below_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |room: &str, text: &str| {
            fs::create_dir_all(dir.path().join(room)).expect("made");
            fs::write(dir.path().join(room).join("mod.rs"), text).expect("written");
        };
        write("low", "// crate::high is not meant\nuse crate::low::x;\n");
        write("high", "use crate::low;\n");
        let rooms = ["low", "high"];
        assert!(wrong(dir.path(), &rooms).expect("readable").is_empty());
        write("low", "use crate::high::x;\n");
        let said = wrong(dir.path(), &rooms).expect("readable");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("low/mod.rs:1: low is below high, which it uses"));
        write("low", "");
        write("other", "");
        assert_eq!(wrong(dir.path(), &rooms).expect("readable").len(), 1);
        assert!(wrong(dir.path(), &["absent"]).is_err());
    }

    #[test]
    fn the_checkout_keeps_to_its_order() {
        for (dir, rooms) in ROOMS {
            let wrong = wrong(&setup::checkout().join(dir), rooms).expect("readable");
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    }
}
