// SPDX-License-Identifier: GPL-2.0
//! Network namespaces beside the guest's own.

use crate::kernel::task::joined;
use anyhow::Context;
use anyhow::Result;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
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

mod sockopt {
    use nix::getsockopt_impl;
    use nix::sockopt_impl;

    sockopt_impl!(
        /// `SO_NETNS_COOKIE`.
        Cookie,
        GetOnly,
        libc::SOL_SOCKET,
        libc::SO_NETNS_COOKIE,
        u64
    );
}

/// The number of the calling thread's namespace, which no other ever has.
pub fn cookie() -> Result<u64> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    nix::sys::socket::getsockopt(&socket, sockopt::Cookie).context("SO_NETNS_COOKIE")
}

/// Runs `run` in a thread of its own, since a namespace is a thread's.
fn elsewhere<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    scope(|threads| joined(threads.spawn(run)))
}
