// SPDX-License-Identifier: GPL-2.0
//! Cgroups of the v2 hierarchy.

use anyhow::Context;
use anyhow::Result;
use std::fs::create_dir;
use std::fs::metadata;
use std::fs::remove_dir;
use std::fs::write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

const ROOT: &str = "/sys/fs/cgroup";

/// A cgroup, there until dropped. This process must have left it then.
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one at the top.
    pub fn new(name: &str) -> Result<Self> {
        Self::at(Path::new(ROOT).join(name))
    }

    /// Makes one below this.
    pub fn below(&self, name: &str) -> Result<Self> {
        Self::at(self.0.join(name))
    }

    fn at(path: PathBuf) -> Result<Self> {
        create_dir(&path).with_context(|| format!("no cgroup {}", path.display()))?;
        Ok(Self(path))
    }

    /// Its id, which no other ever has.
    pub fn id(&self) -> Result<u64> {
        id(&self.0)
    }

    /// Runs `run` with this process in it.
    pub fn with<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        enter(&self.0)?;
        let result = run();
        enter(Path::new(ROOT))?;
        result
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Err(e) = remove_dir(&self.0) {
            eprintln!("{} stays: {e}", self.0.display());
        }
    }
}

/// The id of the cgroup that all others are below.
pub fn root() -> Result<u64> {
    id(Path::new(ROOT))
}

fn id(path: &Path) -> Result<u64> {
    let about = metadata(path).with_context(|| path.display().to_string())?;
    Ok(about.ino())
}

fn enter(path: &Path) -> Result<()> {
    write(path.join("cgroup.procs"), "0").with_context(|| format!("entering {}", path.display()))
}
