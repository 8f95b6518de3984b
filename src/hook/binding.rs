// SPDX-License-Identifier: GPL-2.0

//! Binding: where user space asks for sockets, and what it is given.
//!
//! C source: `net/socket.c`.

use kernel::prelude::*;

use crate::bindings;
use crate::trace::{
    Integer,
    Rewritten, //
};

/// The arguments of socket(2): family, type and protocol.
pub enum SocketArguments {}

// SAFETY: All three are integers.
unsafe impl Integer<0> for SocketArguments {}
// SAFETY: As above.
unsafe impl Integer<1> for SocketArguments {}
// SAFETY: As above.
unsafe impl Integer<2> for SocketArguments {}

/// The two functions that see every socket which user space creates, with the arguments family,
/// type and protocol (`net/socket.c`): `update_socket_protocol()`, which `__sys_socket()` calls
/// just before `sock_create()`, and `__sys_socket_file()`, io_uring's way, which does not pass
/// the first. In-kernel sockets, `socketpair()` and `accept()` pass neither.
pub(super) const CREATION: &[Rewritten<SocketArguments>] = &[
    // SAFETY: The arguments are those of socket(2), which nobody has looked at yet.
    unsafe { Rewritten::new("update_socket_protocol") },
    // SAFETY: As above.
    unsafe { Rewritten::new("__sys_socket_file") },
];

/// The protocol of the sockets that selected programs are given, [`IPPROTO_SMCIFY`]. By this symbol
/// `smcify_stream.ko` is loaded first, and stays while smcify does.
///
/// [`IPPROTO_SMCIFY`]: crate::rules::policy::IPPROTO_SMCIFY
///
/// Context: any.
pub(super) fn stream_protocol() -> c_int {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_stream_protocol() }
}
