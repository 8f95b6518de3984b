// SPDX-License-Identifier: GPL-2.0

//! Options, ioctls and names: those of the TCP socket inside.
//!
//! Logic. SMC passes options on to its TCP socket, and then says `EINVAL` if they are shorter than
//! four bytes; it has no ioctls but those about queues; and it knows the peer's name only while both
//! directions are open.

use kernel::prelude::*;

use super::errno::{
    ENOIOCTLCMD,
    ENOTCONN, //
};
use super::socket::Stream;

/// `SOL_TCP` of `include/linux/socket.h`.
const SOL_TCP: c_int = 6;
/// `SOL_SMC`.
const SOL_SMC: c_int = 286;
/// `TCP_ULP` of `include/uapi/linux/tcp.h`.
const TCP_ULP: c_int = 31;

/// An option that SMC would refuse for its length alone, after it has been set: TCP knows which
/// may be so short, a byte for `IP_TOS`, a name of three letters for `TCP_CONGESTION`.
pub fn is_tcp_s_alone(level: c_int, name: c_int, length: c_uint) -> bool {
    (length as usize) < size_of::<c_int>()
        && level != SOL_SMC
        && (level, name) != (SOL_TCP, TCP_ULP)
}

impl Stream {
    /// What to say of `answer`, which SMC gives to `getpeername(2)` or `getsockname(2)`; `ask_tcp`
    /// asks its TCP socket, which has TCP's own rule for when there is a peer.
    ///
    /// Context: process context, may sleep.
    pub fn name(&self, answer: c_int, ask_tcp: impl FnOnce() -> Option<c_int>) -> c_int {
        match answer {
            ENOTCONN => ask_tcp().unwrap_or(answer),
            _ => answer,
        }
    }

    /// What to say of `answer`, which SMC gives to an ioctl; `ask_tcp` asks its TCP socket, which
    /// knows interfaces and addresses.
    ///
    /// Context: process context, may sleep.
    pub fn ioctl(&self, answer: c_int, ask_tcp: impl FnOnce() -> Option<c_int>) -> c_int {
        match answer {
            ENOIOCTLCMD => ask_tcp().unwrap_or(answer),
            _ => answer,
        }
    }
}
