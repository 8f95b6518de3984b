// SPDX-License-Identifier: GPL-2.0
//! The sockets of another process, as that process would see them.

use anyhow::Context;
use anyhow::Result;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::PidfdGetfdFlags;
use rustix::process::pidfd_getfd;
use rustix::process::pidfd_open;
use socket2::SockRef;
use std::fs::read_dir;
use std::fs::read_link;

/// `SO_PROTOCOL` of every socket that a process has open.
pub fn protocols_of(pid: u32) -> Result<Vec<i32>> {
    let process = Pid::from_raw(pid.try_into()?).context("no process has number 0")?;
    let process = pidfd_open(process, PidfdFlags::empty()).context("pidfd_open")?;
    let mut protocols = Vec::new();
    for entry in read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let number = entry.file_name().to_string_lossy().parse()?;
        if read_link(entry.path())?
            .to_string_lossy()
            .starts_with("socket:")
        {
            let flags = PidfdGetfdFlags::empty();
            let socket = pidfd_getfd(&process, number, flags).context("pidfd_getfd")?;
            protocols.extend(SockRef::from(&socket).protocol()?.map(i32::from));
        }
    }
    Ok(protocols)
}
