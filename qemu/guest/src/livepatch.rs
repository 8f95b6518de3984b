// SPDX-License-Identifier: GPL-2.0
//! A livepatch of the same function as smcify's hook, which counts its calls.

use crate::module;
use crate::until::until;
use anyhow::Context;
use anyhow::Result;
use std::fs::read_to_string;
use std::fs::write;
use std::path::Path;

const MODULE: &str = "/modules/smcify_livepatch.ko";
const NAME: &str = "smcify_livepatch";
const PATCH: &str = "/sys/kernel/livepatch/smcify_livepatch";
const CALLS: &str = "/sys/module/smcify_livepatch/parameters/calls";

/// The livepatch, in force; out of it when dropped.
pub struct Patched(());

impl Patched {
    /// Loads it and waits until every task runs patched.
    pub fn load() -> Result<Self> {
        module::load(MODULE)?;
        let patched = Self(());
        until("the livepatch's transition", || {
            let state = read_to_string(Path::new(PATCH).join("transition"))?;
            Ok(state.trim() == "0")
        })?;
        Ok(patched)
    }

    /// How often the function was called.
    pub fn calls(&self) -> Result<u64> {
        let text = read_to_string(CALLS).with_context(|| format!("reading {CALLS}"))?;
        text.trim().parse().context("calls is no number")
    }

    /// Disables and unloads it.
    pub fn remove(self) -> Result<()> {
        std::mem::forget(self);
        remove()
    }
}

impl Drop for Patched {
    fn drop(&mut self) {
        if let Err(e) = remove() {
            eprintln!("the livepatch stays: {e:#}");
        }
    }
}

fn remove() -> Result<()> {
    write(Path::new(PATCH).join("enabled"), "0").context("disabling the livepatch")?;
    until("the livepatch's end", || Ok(!Path::new(PATCH).exists()))?;
    until("the livepatch's references", || {
        Ok(module::try_unload(NAME)?.is_ok())
    })
}
