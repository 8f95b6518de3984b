// SPDX-License-Identifier: GPL-2.0
//! Kernel modules: loading, unloading, what is loaded.

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::kmod::DeleteModuleFlags;
use nix::kmod::ModuleInitFlags;
use nix::kmod::delete_module;
use nix::kmod::finit_module;
use std::ffi::CString;
use std::fs::File;
use std::fs::read_to_string;
use std::path::Path;

/// Loads the module at `path`; the inner result is the kernel's answer.
pub fn try_load(path: &str) -> Result<Result<(), Errno>> {
    let file = File::open(path).with_context(|| format!("{path}: not in the guest"))?;
    Ok(finit_module(&file, c"", ModuleInitFlags::empty()))
}

/// Loads the module at `path`.
pub fn load(path: &str) -> Result<()> {
    try_load(path)?.with_context(|| format!("insmod {path}"))
}

/// Unloads the module `name`; the inner result is the kernel's answer.
pub fn try_unload(name: &str) -> Result<Result<(), Errno>> {
    let name = CString::new(name)?;
    Ok(delete_module(&name, DeleteModuleFlags::O_NONBLOCK))
}

/// Unloads the module `name`.
pub fn unload(name: &str) -> Result<()> {
    try_unload(name)?.with_context(|| format!("rmmod {name}"))
}

/// How many references of the module `name` there are.
pub fn references(name: &str) -> Result<u64> {
    let path = Path::new("/sys/module").join(name).join("refcnt");
    let text = read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.trim_end().parse()?)
}

/// Whether the module `name` is loaded, and not built in.
pub fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name).join("refcnt").exists()
}
