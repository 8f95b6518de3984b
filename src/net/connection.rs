// SPDX-License-Identifier: GPL-2.0

//! Binding: a TCP connection as its handshake shows it, `struct tcp_sock` on the side that
//! connects and `struct inet_request_sock` on the side that listens.
//!
//! C headers: `include/net/sock.h`, `include/net/inet_sock.h`.

use core::ptr::NonNull;

use kernel::sync::rcu;
use kernel::types::Opaque;

use super::{
    Dst,
    NetDevice,
    Sock, //
};
use crate::bindings;
use crate::rules::policy::AF_INET6;
use crate::rules::selector::Ends;

/// A request to a listener, `struct inet_request_sock`.
///
/// # Invariants
///
/// Instances are reached only through references for whose lifetime somebody holds a
/// reference count of the request, which has all addresses and ports.
#[repr(transparent)]
pub(super) struct Request(Opaque<bindings::inet_request_sock>);

/// What is about to be sent, and by whom.
#[derive(Clone, Copy)]
enum Segment<'c> {
    Syn(&'c Sock),
    SynAck {
        listener: &'c Sock,
        request: &'c Request,
    },
}

/// A connection of which the SYN or the SYN-ACK is being made.
///
/// Both hosts call the same end by the same name, unless something on the way translates
/// addresses. One that an IPv6 socket makes to an IPv4-mapped address is an IPv4 one.
pub struct Connection<'c> {
    /// The addresses of the side that connects and of the side that listens.
    pub ends: Ends,
    /// The port of the side that listens, in host order.
    pub port: u16,
    segment: Segment<'c>,
}

impl<'c> Connection<'c> {
    /// The connection of which `sock` sends the SYN.
    ///
    /// # Safety
    ///
    /// `sock` must be a TCP socket that is connecting, and that the caller owns for `'c`.
    #[inline]
    pub(super) unsafe fn of_syn(sock: &'c Sock) -> Self {
        let common = sock.as_ptr().cast();
        // SAFETY: A `struct sock` begins with its `sock_common`, and its owner alone changes
        // that.
        let ends = unsafe { ends(common) };
        // SAFETY: As above. The port is the second half of a pair.
        let port = unsafe { (*common).__bindgen_anon_3.__bindgen_anon_1.skc_dport };
        Self {
            ends,
            port: u16::from_be(port),
            segment: Segment::Syn(sock),
        }
    }

    /// The connection of which `listener` sends the SYN-ACK.
    ///
    /// # Safety
    ///
    /// `request` must be one to `listener`, a TCP socket, and stay alive for `'c`, with its
    /// addresses and ports set.
    #[inline]
    pub(super) unsafe fn of_syn_ack(
        listener: &'c Sock,
        request: *const bindings::inet_request_sock,
    ) -> Self {
        let common = request.cast();
        // SAFETY: An `inet_request_sock` begins with a `sock_common`, which stays as it is.
        let ends = unsafe { ends(common) }.swapped();
        // SAFETY: As above.
        let port = unsafe { (*common).__bindgen_anon_3.__bindgen_anon_1.skc_num };
        Self {
            ends,
            port,
            // SAFETY: `Request` is transparent, and by the safety requirement it stays.
            segment: unsafe {
                Segment::SynAck {
                    listener,
                    request: &*request.cast(),
                }
            },
        }
    }

    /// The device by which this host sends the segment, or `None` if there is no route.
    ///
    /// Of a SYN it is that of the socket's route. A SYN-ACK has a route, but who makes its
    /// options is not told which: it is looked up once more as TCP did, which is why this is
    /// a method, to be called only if the answer matters. It is the same one unless routes
    /// change in between, there is a source route (IPv4: in the SYN, IPv6: of the listener), or
    /// IPv6 has several next hops that serve alike.
    ///
    /// Context: process context or softirq; does not sleep.
    pub fn egress<'g>(&self, guard: &'g rcu::Guard) -> Option<&'g NetDevice> {
        match self.segment {
            Segment::Syn(sock) => sock.dst(guard)?.dev(guard),
            Segment::SynAck { listener, request } => self.look_up(listener, request, guard),
        }
    }

    fn look_up<'g>(
        &self,
        listener: &Sock,
        request: &Request,
        guard: &'g rcu::Guard,
    ) -> Option<&'g NetDevice> {
        let route = match self.ends.are_v4() {
            true => bindings::smcify_route4,
            false => bindings::smcify_route6,
        };
        // SAFETY: Both are alive, and the request is one to the listener.
        let dst = NonNull::new(unsafe { route(listener.as_ptr(), request.0.get()) })?;
        // SAFETY: The route is counted, and freed only a grace period after its count is
        // given back below, so not before `'g` ends.
        let dev = unsafe { Dst::from_raw(dst.as_ptr()) }.dev(guard);
        // SAFETY: It was counted for us, and no longer used.
        unsafe { bindings::dst_release(dst.as_ptr()) };
        dev
    }
}

/// From the own address to the peer's.
///
/// # Safety
///
/// `common` must be alive, and nobody may be changing its addresses.
#[inline]
unsafe fn ends(common: *const bindings::sock_common) -> Ends {
    // SAFETY: By the safety requirement.
    if i32::from(unsafe { (*common).skc_family }) == AF_INET6 {
        #[cfg(CONFIG_IPV6)]
        {
            // SAFETY: By the safety requirement; all bytes are initialised.
            let (own, peer) = unsafe {
                (
                    (*common).skc_v6_rcv_saddr.in6_u.u6_addr8,
                    (*common).skc_v6_daddr.in6_u.u6_addr8,
                )
            };
            return Ends::v6(u128::from_be_bytes(own), u128::from_be_bytes(peer));
        }
    }
    // SAFETY: By the safety requirement. The addresses are a pair.
    let pair = unsafe { (*common).__bindgen_anon_1.__bindgen_anon_1 };
    Ends::v4(
        u32::from_be(pair.skc_rcv_saddr),
        u32::from_be(pair.skc_daddr),
    )
}
