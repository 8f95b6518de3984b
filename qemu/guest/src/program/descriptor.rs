// SPDX-License-Identifier: GPL-2.0
//! A descriptor's inode, by each of the ways that user space may learn its number.

use anyhow::Context;
use anyhow::Result;
use nix::sys::stat::fstat;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::read_link;
use std::fs::read_to_string;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// What each way says: one number, if all is well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inode {
    /// `/proc/self/fdinfo`, which asks `file->f_inode`.
    pub fdinfo: u64,
    /// fstat(2), which asks the dentry.
    pub fstat: u64,
    /// The `socket:[…]` of `/proc/self/fd`, which asks the dentry.
    pub link: u64,
}

impl Inode {
    /// Asks all of them.
    pub fn of(fd: impl AsFd) -> Result<Self> {
        let number = fd.as_fd().as_raw_fd();
        let link = read_link(format!("/proc/self/fd/{number}"))?;
        let link = link.to_string_lossy();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        Ok(Self {
            fdinfo: fdinfo(&fd)?,
            fstat: fstat(fd)?.st_ino,
            link: inode
                .and_then(|number| number.parse().ok())
                .with_context(|| format!("{link:?} is no socket"))?,
        })
    }

    /// That all of them say `number`.
    pub fn all(number: u64) -> Self {
        Self {
            fdinfo: number,
            fstat: number,
            link: number,
        }
    }
}

/// The inode number in a descriptor's fdinfo.
pub fn fdinfo(fd: impl AsFd) -> Result<u64> {
    let text = read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
    let line = text.lines().find_map(|l| l.strip_prefix("ino:"));
    let number = line.context("fdinfo has no ino line")?.trim();
    number.parse().with_context(|| format!("ino {number:?}"))
}

/// An `O_PATH` descriptor of the same inode, as a reader of /proc may have.
pub fn path_of(fd: impl AsFd) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
        .context("an O_PATH descriptor of the socket")
}
