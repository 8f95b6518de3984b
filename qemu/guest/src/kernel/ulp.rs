// SPDX-License-Identifier: GPL-2.0
//! The `TCP_ULP "smc"` that Linux 7.0 removed: it makes an SMC socket of an open TCP socket.

use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUlp;
use std::os::fd::AsFd;

/// What the kernel says where there is no such ULP, or none for this socket.
pub const REFUSED: Result<(), Errno> = Err(Errno::EOPNOTSUPP);

/// The kernel's function behind it.
pub const INIT: &str = "smc_ulp_init";

/// Asks for it.
pub fn ask(socket: &impl AsFd) -> Result<(), Errno> {
    setsockopt(socket, TcpUlp::default(), b"smc")
}
