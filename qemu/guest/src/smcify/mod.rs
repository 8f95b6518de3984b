// SPDX-License-Identifier: GPL-2.0
//! The module under test, as an administrator uses it: insmod, rmmod, configfs.

pub mod rule;

use crate::kernel::module;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::fs::write;
use std::path::Path;

/// The module in the guest.
pub const MODULE: &str = "/modules/smcify.ko";
/// That of its sockets, which is loaded first.
pub const STREAM: &str = "/modules/smcify_stream.ko";
/// Its configfs directory.
pub const CONFIG: &str = "/sys/kernel/config/smcify";
/// Functions that someone traces.
const HOOKED: &str = "/sys/kernel/tracing/enabled_functions";

/// Loaded from [`Smcify::load`] until dropped, or unloaded with an answer.
pub struct Smcify(());

impl Smcify {
    /// Loads the module.
    pub fn load() -> Result<Self> {
        module::load(MODULE)?;
        Ok(Self(()))
    }

    /// Unloads the module.
    pub fn unload(self) -> Result<()> {
        self.leave();
        module::unload("smcify")
    }

    /// Leaves it to somebody else to unload the module.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Writes `default`.
    pub fn set_default(&self, value: &str) -> Result<()> {
        set_default(value).with_context(|| format!("writing {value:?} to {CONFIG}/default"))
    }

    /// Reads `default`.
    pub fn default(&self) -> Result<String> {
        attribute("default")
    }

    /// Reads `version`.
    pub fn version(&self) -> Result<String> {
        attribute("version")
    }

    /// Reads `handshake`.
    pub fn handshake(&self) -> Result<String> {
        attribute("handshake")
    }

    /// Reads `stats`.
    pub fn stats(&self) -> Result<Stats> {
        Stats::parse(&attribute("stats")?)
    }

    /// Reads `fixes`.
    pub fn fixes(&self) -> Result<Vec<Fix>> {
        attribute("fixes")?.lines().map(Fix::parse).collect()
    }

    /// Switches the fix of `function`.
    pub fn set_fix(&self, function: &str, mode: &str) -> Result<()> {
        set_fix(&format!("{function} {mode}\n"))
            .with_context(|| format!("switching the fix of {function} to {mode}"))
    }

    /// Fails unless exactly the functions are traced whose fixes are active.
    pub fn hooks_only_fixes(&self) -> Result<()> {
        let fixes = self.fixes()?.into_iter();
        let active: BTreeSet<String> = fixes
            .filter(|fix| fix.state == "active")
            .map(|fix| fix.function)
            .collect();
        let hooked = hooked()?;
        ensure!(
            hooked == active,
            "hooked are {hooked:?}, fixed are {active:?}"
        );
        Ok(())
    }

    /// Fails unless the live fix of `function` is in force.
    pub fn has_fixed(&self, function: &str) -> Result<()> {
        let fixes = self.fixes()?;
        let fix = fixes.iter().find(|it| it.function == function);
        let state = fix.map(|it| it.state.as_str());
        ensure!(state == Some("active"), "the fix of {function}: {state:?}");
        Ok(())
    }
}

/// A live fix, as `fixes` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    pub function: String,
    pub mode: String,
    pub state: String,
}

impl Fix {
    fn parse(line: &str) -> Result<Self> {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let (Some(function), Some(mode), Some(state)) = (words.next(), words.next(), words.next())
        else {
            anyhow::bail!("fixes: {line:?}");
        };
        Ok(Self {
            function,
            mode,
            state,
        })
    }
}

impl Drop for Smcify {
    fn drop(&mut self) {
        if let Err(e) = module::unload("smcify") {
            eprintln!("smcify stays loaded: {e:#}");
        }
    }
}

/// Writes `default`; the error is the kernel's.
pub fn set_default(value: &str) -> std::io::Result<()> {
    write(Path::new(CONFIG).join("default"), value)
}

/// Writes a line to `fixes`; the error is the kernel's.
pub fn set_fix(line: &str) -> std::io::Result<()> {
    write(Path::new(CONFIG).join("fixes"), line)
}

fn attribute(name: &str) -> Result<String> {
    let path = Path::new(CONFIG).join(name);
    let text = read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim_end().to_owned())
}

/// Fails if there is any trace of the module in the kernel.
pub fn nothing_left() -> Result<()> {
    ensure!(!Path::new(CONFIG).exists(), "{CONFIG} is still there");
    ensure!(!module::is_loaded("smcify"), "smcify is still loaded");
    let hooked = hooked()?;
    ensure!(hooked.is_empty(), "functions still hooked: {hooked:?}");
    Ok(())
}

/// The functions that are traced.
fn hooked() -> Result<BTreeSet<String>> {
    let text = read_to_string(HOOKED).with_context(|| format!("reading {HOOKED}"))?;
    let names = text.lines().filter_map(|line| line.split(' ').next());
    Ok(names.map(str::to_owned).collect())
}

/// Sockets of one family: how many came by, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    pub seen: u64,
    pub selected: u64,
    pub left: u64,
}

/// The counts since the module was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub inet: Count,
    pub inet6: Count,
    pub other: Count,
}

impl Stats {
    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let mut count = |family: &str| -> Result<Count> {
            let line = lines.next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |n: &str| n.parse().with_context(|| format!("stats: {line:?}"));
            match words[..] {
                [f, "seen", seen, "selected", selected, "left", left] if f == family => Ok(Count {
                    seen: number(seen)?,
                    selected: number(selected)?,
                    left: number(left)?,
                }),
                _ => anyhow::bail!("stats: {line:?} where a line on {family} must be"),
            }
        };
        let stats = Self {
            inet: count("inet")?,
            inet6: count("inet6")?,
            other: count("other")?,
        };
        ensure!(lines.next().is_none(), "stats: more than three lines");
        Ok(stats)
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |a: Count, b: Count| Count {
            seen: a.seen - b.seen,
            selected: a.selected - b.selected,
            left: a.left - b.left,
        };
        Self {
            inet: less(self.inet, earlier.inet),
            inet6: less(self.inet6, earlier.inet6),
            other: less(self.other, earlier.other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_are_three_lines() {
        let text = "inet seen 12 selected 10 left 2\n\
                    inet6 seen 1 selected 0 left 1\n\
                    other seen 3 selected 0 left 3";
        let stats = Stats::parse(text).expect("stats");
        assert_eq!(stats.inet.selected, 10);
        assert_eq!(stats.since(&stats), Stats::default());
        assert!(Stats::parse("inet seen 12").is_err());
        assert!(Stats::parse(&text.replace("inet6", "inet7")).is_err());
    }
}
