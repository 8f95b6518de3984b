// SPDX-License-Identifier: GPL-2.0
//! A rule of smcify, as an administrator makes it: a directory of configfs.

use crate::smcify::CONFIG;
use anyhow::Context;
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs::create_dir;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::fs::remove_dir;
use std::fs::write;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// In force until dropped.
pub struct Rule(PathBuf);

impl Rule {
    /// Makes it; the error is the kernel's.
    pub fn try_add(name: &str) -> io::Result<Self> {
        let path = Path::new(CONFIG).join(name);
        create_dir(&path)?;
        Ok(Self(path))
    }

    /// Makes it.
    pub fn add(name: &str) -> Result<Self> {
        Self::try_add(name).with_context(|| format!("no rule {name}"))
    }

    /// Makes one that says `action`.
    pub fn saying(action: &str, name: &str) -> Result<Self> {
        let rule = Self::add(name)?;
        rule.set(action)?;
        Ok(rule)
    }

    /// Writes `action`; the error is the kernel's.
    pub fn try_set(&self, action: &str) -> io::Result<()> {
        write(self.0.join("action"), action)
    }

    /// Writes `action`.
    pub fn set(&self, action: &str) -> Result<()> {
        self.try_set(action)
            .with_context(|| format!("{}: no action {action:?}", self.0.display()))
    }

    /// Reads `action`.
    pub fn action(&self) -> Result<String> {
        self.read("action")
    }

    /// Reads `hits`.
    pub fn hits(&self) -> Result<u64> {
        self.read("hits")?.parse().context("hits")
    }

    fn read(&self, attribute: &str) -> Result<String> {
        let path = self.0.join(attribute);
        let text = read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim_end().to_owned())
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        if let Err(e) = remove_dir(&self.0) {
            eprintln!("{} stays: {e}", self.0.display());
        }
    }
}

/// What the directory of smcify holds, rules and files.
pub fn listed() -> Result<BTreeSet<String>> {
    let entries = read_dir(CONFIG).context(CONFIG)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

/// Removes the rules that are not among `these`.
pub fn remove_all_but(these: &BTreeSet<String>) -> Result<()> {
    listed()?.difference(these).try_for_each(|name| {
        let path = Path::new(CONFIG).join(name);
        remove_dir(&path).with_context(|| format!("{} stays", path.display()))
    })
}
