// SPDX-License-Identifier: GPL-2.0

//! Binding: where user space asks for sockets.
//!
//! C source: `net/socket.c`.

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
