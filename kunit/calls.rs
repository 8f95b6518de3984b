// SPDX-License-Identifier: GPL-2.0

//! Binding, test-only: what the suites ask of the kernel that the module itself does not.

use core::ptr;

use kernel::error::to_result;
use kernel::prelude::*;

use crate::bindings;
use crate::net::{
    NetDevice,
    Sock,
    Socket, //
};
use crate::trace::{
    Held,
    Integer,
    Replacement,
    Rewritten, //
};

/// What `sock_create_kern()` answers while [`REFUSED_SOCKETS`] is in its place.
pub(crate) const REFUSAL: Error = ENOSPC;

/// `sock_create_kern()`, with one that refuses.
// SAFETY: The signature is that of the original; it does nothing at all.
pub(crate) const REFUSED_SOCKETS: Replacement =
    unsafe { Replacement::new("sock_create_kern", refuse as *const ()) };

extern "C" fn refuse(
    _net: *mut bindings::net,
    _family: c_int,
    _kind: c_int,
    _protocol: c_int,
    _socket: *mut *mut bindings::socket,
) -> c_int {
    REFUSAL.to_errno()
}

/// The arguments of `sock_create_kern()`: a pointer, then those of socket(2).
pub(crate) enum InNamespace {}

// SAFETY: Argument 1 is the address family.
unsafe impl Integer<1> for InNamespace {}
// SAFETY: Argument 2 is the type.
unsafe impl Integer<2> for InNamespace {}
// SAFETY: Argument 3 is the protocol.
unsafe impl Integer<3> for InNamespace {}

/// `sock_create_kern()`, whose arguments are those of socket(2) but for the first, a pointer.
// SAFETY: It checks the others itself.
pub(crate) const SOCK_CREATE_KERN: Rewritten<InNamespace> =
    unsafe { Rewritten::new("sock_create_kern") };

/// Nothing of that name.
// SAFETY: There is no such function to be called.
pub(crate) const ABSENT: Rewritten<InNamespace> =
    unsafe { Rewritten::new("smcify_no_such_function") };

/// Nothing of that name, which is longer than any.
// SAFETY: As above.
pub(crate) const TOO_LONG: Rewritten<InNamespace> = unsafe {
    Rewritten::new("smcify_a_function_name_that_is_much_longer_than_any_other_name_here")
};

/// `kernel_getsockname()` calls [`INNER`] with the same socket.
// SAFETY: Its first argument is a live `struct socket`.
pub(crate) const OUTER: Held = unsafe { Held::by_socket("kernel_getsockname") };
/// What [`OUTER`] calls, with its first argument.
pub(crate) const INNER: &[Rewritten<()>] = &[
    // SAFETY: No argument is said to be an integer.
    unsafe { Rewritten::new("inet_getname") },
];

/// Nothing of that name.
// SAFETY: There is no such function, so none with another first argument.
pub(crate) const NO_FUNCTION: Held = unsafe { Held::by_sock("smcify_no_such_function") };

/// The protocol side of a socket.
pub(crate) fn sock(socket: &Socket) -> &Sock {
    // SAFETY: The socket is live, and holds its `sk`.
    unsafe { Sock::from_raw((*socket.as_ptr()).sk) }
}

/// An IPv4 address and port.
pub(crate) fn sockaddr4(address: [u8; 4], port: u16) -> bindings::sockaddr_in {
    bindings::sockaddr_in {
        sin_family: 2,
        sin_port: port.to_be(),
        sin_addr: bindings::in_addr {
            s_addr: u32::from_ne_bytes(address),
        },
        __pad: [0; 8],
    }
}

/// Connects a socket to an IPv4 address and port. That gives a datagram socket a route:
/// nothing is sent.
pub(crate) fn connect4(socket: &Socket, address: [u8; 4], port: u16) -> Result {
    let to = sockaddr4(address, port);
    // SAFETY: The socket is live, and `to` is an address of the length given.
    to_result(unsafe {
        bindings::kernel_connect(
            socket.as_ptr(),
            (&raw const to).cast_mut().cast(),
            size_of_val(&to) as c_int,
            0,
        )
    })
}

/// Connects an IPv6 datagram socket.
pub(crate) fn connect6(socket: &Socket, address: [u8; 16]) -> Result {
    let to = bindings::sockaddr_in6 {
        sin6_family: 10,
        sin6_port: 9u16.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: bindings::in6_addr {
            in6_u: bindings::in6_addr__bindgen_ty_1 { u6_addr8: address },
        },
        sin6_scope_id: 0,
    };
    // SAFETY: The socket is live, and `to` is an address of the length given.
    to_result(unsafe {
        bindings::kernel_connect(
            socket.as_ptr(),
            (&raw const to).cast_mut().cast(),
            size_of_val(&to) as c_int,
            0,
        )
    })
}

/// Calls the function [`OUTER`]; how long the address is.
pub(crate) fn getsockname(socket: &Socket) -> c_int {
    // Room for an IPv6 one.
    let mut address = [0u32; 7];
    // SAFETY: The socket is live, and IPv4's and IPv6's addresses fit.
    unsafe { bindings::kernel_getsockname(socket.as_ptr(), address.as_mut_ptr().cast()) }
}

/// How many references there are to a device.
pub(crate) fn references(dev: &NetDevice) -> c_int {
    // SAFETY: `NetDevice` is a transparent view of a live `struct net_device`.
    unsafe { bindings::netdev_refcnt_read(ptr::from_ref(dev).cast()) }
}
