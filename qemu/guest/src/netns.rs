// SPDX-License-Identifier: GPL-2.0
//! Network namespaces beside the guest's own.

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::thread::scope;

/// A network namespace, there until this and all that was made in it is gone.
pub struct Netns(File);

impl Netns {
    /// Makes an empty one.
    pub fn new() -> Result<Self> {
        let made = elsewhere(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare")?;
            File::open("/proc/thread-self/ns/net").context("/proc/thread-self/ns/net")
        });
        made.map(Self)
    }

    /// Runs `run` in it. A socket stays where it was made.
    pub fn run<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        elsewhere(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET).context("setns")?;
            run()
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs `run` in a thread of its own, since a namespace is a thread's.
fn elsewhere<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    scope(|threads| threads.spawn(run).join()).map_err(|_| anyhow!("a thread panicked"))?
}
