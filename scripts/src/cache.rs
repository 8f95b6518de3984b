// SPDX-License-Identifier: GPL-2.0
//! The cache directory: where it is, whether there is room in it, and who may
//! write to which part of it now.

use std::env;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::progress::Progress;

/// Bytes in a gigabyte, as disks and messages count them.
pub(crate) const GB: u64 = 1_000_000_000;

/// The directory that holds everything that is slow to make.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

/// A lock on one part of the cache, held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Cache {
    /// Opens `$SMCIFY_CACHE`, else `smcify` under `$XDG_CACHE_HOME` or
    /// `~/.cache`; makes it when it is not there.
    pub fn open() -> Result<Cache> {
        let dir = location(|name| env::var_os(name).map(PathBuf::from))
            .context("no place for the cache: set SMCIFY_CACHE or HOME to a directory")?;
        Cache::at(&dir)
    }

    /// Opens the cache in `dir`.
    pub(crate) fn at(dir: &Path) -> Result<Cache> {
        let made = fs::create_dir_all(dir).and_then(|()| dir.canonicalize());
        let dir = made.with_context(|| {
            format!(
                "cannot make the cache {}; set SMCIFY_CACHE to a directory of yours",
                dir.display()
            )
        })?;
        Ok(Cache { dir })
    }

    /// The cache's absolute path, free of symbolic links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log of the step `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir
            .join("log")
            .join(format!("{}.log", name.replace([' ', '/'], "-")))
    }

    /// Fails, saying how much room there is, unless `bytes` are free for `what`.
    pub(crate) fn need(&self, what: &str, bytes: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.dir).with_context(|| {
            format!(
                "cannot tell how much room is left in {}",
                self.dir.display()
            )
        })?;
        match shortage(what, &self.dir, bytes, stat.f_bavail * stat.f_frsize) {
            Some(message) => bail!(message),
            None => Ok(()),
        }
    }

    /// Locks the part `name` for writing; says so when it has to wait.
    pub(crate) fn lock(&self, name: &str, progress: &Progress) -> Result<Lock> {
        Lock::take(
            &self.dir.join("lock").join(name),
            FlockOperation::LockExclusive,
            progress,
        )
    }

    /// Locks the part `name` against writers; says so when it has to wait.
    pub(crate) fn share(&self, name: &str, progress: &Progress) -> Result<Lock> {
        Lock::take(
            &self.dir.join("lock").join(name),
            FlockOperation::LockShared,
            progress,
        )
    }
}

impl Lock {
    /// Takes a lock on the file `path`, which is made when it is not there.
    pub(crate) fn take(path: &Path, how: FlockOperation, progress: &Progress) -> Result<Lock> {
        let what = || format!("cannot lock {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(path)).with_context(what)?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(what)?;
        let at_once = match how {
            FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
            _ => FlockOperation::NonBlockingLockExclusive,
        };
        match rustix::fs::flock(&file, at_once) {
            Err(Errno::WOULDBLOCK) => {
                progress.say(&format!(
                    "waiting for another run of the set-up, which holds {}",
                    path.display()
                ));
                while let Err(error) = rustix::fs::flock(&file, how) {
                    if error != Errno::INTR {
                        return Err(error).with_context(what);
                    }
                }
            }
            done => done.with_context(what)?,
        }
        Ok(Lock { file })
    }

    /// Turns a lock for writing into one against writers.
    pub(crate) fn downgrade(self) -> Result<Lock> {
        rustix::fs::flock(&self.file, FlockOperation::LockShared).context("cannot share a lock")?;
        Ok(self)
    }
}

/// Where the cache is, given a way to read the environment.
fn location(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|path| !path.as_os_str().is_empty());
    set("SMCIFY_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("smcify")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/smcify")))
}

/// What to say when `free` bytes are too few.
fn shortage(what: &str, dir: &Path, bytes: u64, free: u64) -> Option<String> {
    let gb = |bytes: u64| bytes as f64 / GB as f64;
    (free < bytes).then(|| {
        format!(
            "no room for {what}: {} needs {:.1} GB, {:.1} GB are free; free some, or set SMCIFY_CACHE to another disk",
            dir.display(),
            gb(bytes),
            gb(free)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Option<PathBuf> {
        location(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn location_prefers_the_most_explicit() {
        let home = with(&[("HOME", "/home/u")]);
        assert_eq!(home, Some("/home/u/.cache/smcify".into()));
        let xdg = with(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/x")]);
        assert_eq!(xdg, Some("/x/smcify".into()));
        let own = with(&[("SMCIFY_CACHE", "/c"), ("XDG_CACHE_HOME", "/x")]);
        assert_eq!(own, Some("/c".into()));
        assert_eq!(with(&[("SMCIFY_CACHE", ""), ("HOME", "")]), None);
    }

    #[test]
    fn shortage_names_need_and_free() {
        assert_eq!(shortage("a kernel", Path::new("/c"), 2 * GB, 2 * GB), None);
        let said = shortage("a kernel", Path::new("/c"), 3 * GB, GB / 2).unwrap_or_default();
        assert!(said.contains("/c needs 3.0 GB, 0.5 GB are free"), "{said}");
        assert!(!said.contains('\n'));
    }
}
