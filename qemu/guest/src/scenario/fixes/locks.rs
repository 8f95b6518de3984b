// SPDX-License-Identifier: GPL-2.0
//! Locks of the kernel, in the hands of a scenario (`kunit/smcify_locks.c`).

use crate::kernel::module;
use crate::kernel::until::until;
use anyhow::Context;
use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MODULE: &str = "/modules/smcify_locks.ko";
const NAME: &str = "smcify_locks";
const FILES: &str = "/sys/kernel/debug/smcify_locks";

/// RTNL, under which network devices come and go.
pub const RTNL: &str = "rtnl";
/// The mutex of SMC's list of SMC-D devices.
pub const SMCD: &str = "smcd";

/// The module, loaded until dropped.
pub struct Locks(());

impl Locks {
    /// Loads the module.
    pub fn load() -> Result<Self> {
        module::load(MODULE)?;
        Ok(Self(()))
    }

    /// Takes the lock `name`, waiting for it.
    pub fn take(&self, name: &'static str) -> Result<Hold> {
        let hold = self.queue(name)?;
        hold.until_held()?;
        Ok(hold)
    }

    /// Queues for the lock `name`: behind all that sleep in its queue, before all that
    /// come later.
    pub fn queue(&self, name: &'static str) -> Result<Hold> {
        let path = Path::new(FILES).join(name);
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        Ok(Hold { name, file })
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        // The last threads may still be on their way out.
        if let Err(e) = until("rmmod", || Ok(module::try_unload(NAME)?.is_ok())) {
            eprintln!("{NAME} stays loaded: {e:#}");
        }
    }
}

/// A lock that is held, or a place in its queue; given up when dropped.
pub struct Hold {
    name: &'static str,
    file: File,
}

impl Hold {
    /// Whether the lock is held by now.
    pub fn is_held(&self) -> Result<bool> {
        let mut state = [0; 16];
        let len = self.file.read_at(&mut state, 0)?;
        Ok(&state[..len] == b"held\n")
    }

    /// Waits until the lock is held.
    pub fn until_held(&self) -> Result<()> {
        until(self.name, || self.is_held())
    }
}
