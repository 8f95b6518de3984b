// SPDX-License-Identifier: GPL-2.0
//! Who decides about the SMC option of the handshakes in a network namespace: its `hs_ctrl`,
//! and a module with one that is not smcify's (`kunit/smcify_other.c`).

use crate::kernel::module;
use anyhow::Context;
use anyhow::Result;
use std::fs::read_to_string;
use std::fs::write;

/// Of the namespace of whoever opens it.
const SYSCTL: &str = "/proc/sys/net/smc/hs_ctrl";

/// The name that the sysctl shows to this thread; empty, if there is none.
pub fn name() -> Result<String> {
    let text = read_to_string(SYSCTL).with_context(|| SYSCTL)?;
    Ok(text.trim_end().to_owned())
}

/// Takes out what there is, by the sysctl.
pub fn clear() -> Result<()> {
    write(SYSCTL, "\n").with_context(|| SYSCTL)
}

/// The other module, loaded until dropped. No namespace may have its hs_ctrl by then.
pub struct Other(());

impl Other {
    const MODULE: &str = "/modules/smcify_other.ko";
    const NAME: &str = "smcify_other";

    /// Loads it.
    pub fn load() -> Result<Self> {
        module::load(Self::MODULE)?;
        Ok(Self(()))
    }

    /// Puts its hs_ctrl in this thread's namespace, whatever is there.
    pub fn take(&self) -> Result<()> {
        Self::set("take")
    }

    /// Has namespaces to come inherit it from the initial one.
    pub fn inherit(&self) -> Result<()> {
        Self::set("inheritable")
    }

    fn set(parameter: &str) -> Result<()> {
        let path = Self::parameter(parameter);
        write(&path, "1").context(path)
    }

    /// How many SYNs it was asked about.
    pub fn calls(&self) -> Result<u64> {
        let path = Self::parameter("calls");
        let text = read_to_string(&path).context(path)?;
        Ok(text.trim_end().parse()?)
    }

    /// How many references of it there are: as many as namespaces that have its hs_ctrl.
    pub fn references(&self) -> Result<u64> {
        module::references(Self::NAME)
    }

    fn parameter(name: &str) -> String {
        format!("/sys/module/{}/parameters/{name}", Self::NAME)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Err(e) = module::unload(Self::NAME) {
            eprintln!("{} stays loaded: {e:#}", Self::NAME);
        }
    }
}
