// SPDX-License-Identifier: GPL-2.0
//! What this kernel is, as far as what is expected of it depends on that.

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::utsname::uname;
use std::fs::write;
use std::path::Path;

/// What switches ftrace off, up to 7.2.
const FTRACE_ENABLED: &str = "/proc/sys/kernel/ftrace_enabled";

/// Whether the kernel is of this version or a later one.
pub fn since(major: u32, minor: u32) -> Result<bool> {
    let release = uname()?.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|it| it.parse().ok());
    let version = numbers.next().zip(numbers.next());
    Ok(version.with_context(|| release)? >= (major, minor))
}

/// The lab's name for the kernels that are like this one: those with the bugs, and the others.
pub fn kernel() -> Result<&'static str> {
    Ok(match since(6, 18)? {
        false => "vulnerable",
        true => "fixed",
    })
}

/// Whether the kernel asks somebody about the SMC option of a handshake: from 6.19 on it may.
pub fn has_hs_ctrl() -> bool {
    Path::new("/proc/sys/net/smc/hs_ctrl").exists()
}

/// Switches ftrace on or off; the error is the kernel's answer.
pub fn switch_ftrace(on: bool) -> Result<(), Option<i32>> {
    write(FTRACE_ENABLED, if on { "1" } else { "0" }).map_err(|error| error.raw_os_error())
}

/// What the kernel answers to whoever would switch ftrace off while something permanent is
/// attached; from 7.3 on, also when nothing is.
pub fn ftrace_stays() -> Result<Result<(), Option<i32>>> {
    Ok(Err(Some(match ftrace_can_be_off()? {
        true => Errno::EBUSY as i32,
        false => Errno::EOPNOTSUPP as i32,
    })))
}

/// Whether ftrace can be switched off at all.
pub fn ftrace_can_be_off() -> Result<bool> {
    Ok(!since(7, 3)?)
}
