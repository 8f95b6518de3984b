// SPDX-License-Identifier: GPL-2.0
//! A descriptor on its way from one process to another: SCM_RIGHTS.

use anyhow::Context;
use anyhow::Result;
use nix::sys::socket::ControlMessage;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::recvmsg;
use nix::sys::socket::sendmsg;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;

/// A descriptor that lies in a UNIX socket.
pub struct Parcel(UnixStream, UnixStream);

impl Parcel {
    /// Puts a descriptor of the same file there.
    pub fn send(fd: impl AsFd) -> Result<Self> {
        let (from, to) = UnixStream::pair().context("socketpair")?;
        let fds = [fd.as_fd().as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let data = [IoSlice::new(b".")];
        sendmsg::<()>(from.as_raw_fd(), &data, &rights, MsgFlags::empty(), None)
            .context("SCM_RIGHTS")?;
        Ok(Self(from, to))
    }

    /// Takes it out.
    pub fn receive(self) -> Result<OwnedFd> {
        let Self(_from, to) = self;
        let mut byte = [0];
        let mut data = [IoSliceMut::new(&mut byte)];
        let mut space = nix::cmsg_space!(RawFd);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(to.as_raw_fd(), &mut data, Some(&mut space), flags)
            .context("SCM_RIGHTS")?;
        let fds = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        let fd = fds.context("no descriptor arrives")?;
        // SAFETY: the kernel has just given us this descriptor.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}
