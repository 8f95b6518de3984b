// SPDX-License-Identifier: GPL-2.0
//! Livepatches of functions that smcify has a hook on as well.

use crate::kernel::module;
use crate::kernel::until::until;
use anyhow::Context;
use anyhow::Result;
use std::fs::read_to_string;
use std::fs::write;
use std::path::PathBuf;

/// Of `update_socket_protocol()`, and counts its calls for IPv4.
pub const SOCKET_PROTOCOL: &str = "smcify_livepatch";
/// Of `smc_clc_prfx_match()`.
pub const PRFX_MATCH: &str = "smcify_livepatch_clc";

/// A livepatch, in force; out of it when dropped.
pub struct Patched(&'static str);

impl Patched {
    /// Loads it and waits until every task runs patched.
    pub fn load(name: &'static str) -> Result<Self> {
        module::load(&format!("/modules/{name}.ko"))?;
        let patched = Self(name);
        until("the livepatch's transition", || {
            let state = read_to_string(patched.dir().join("transition"))?;
            Ok(state.trim() == "0")
        })?;
        Ok(patched)
    }

    /// How often it has counted the function's calls.
    pub fn calls(&self) -> Result<u64> {
        let path = format!("/sys/module/{}/parameters/calls", self.0);
        let text = read_to_string(&path).with_context(|| format!("reading {path}"))?;
        text.trim().parse().context("calls is no number")
    }

    /// Disables and unloads it.
    pub fn remove(self) -> Result<()> {
        let removed = self.end();
        std::mem::forget(self);
        removed
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from("/sys/kernel/livepatch").join(self.0)
    }

    fn end(&self) -> Result<()> {
        write(self.dir().join("enabled"), "0").context("disabling the livepatch")?;
        until("the livepatch's end", || Ok(!self.dir().exists()))?;
        until("the livepatch's references", || {
            Ok(module::try_unload(self.0)?.is_ok())
        })
    }
}

impl Drop for Patched {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            eprintln!("the livepatch stays: {e:#}");
        }
    }
}
