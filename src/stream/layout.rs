// SPDX-License-Identifier: GPL-2.0

//! Binding: what is known of SMC's own structs, and how it is verified.
//!
//! Their headers are not installed. Up to 7.3 they have not changed, but for what the kernel's
//! configuration makes of the locks in them, whose sizes are the running kernel's own here. So
//! that nothing is believed, a fresh socket is asked at load ([`Inner::is_as_known`]): its size is
//! the struct's, and the kernel's functions, a list and a TCP socket are found where they must be, on
//! both sides of whatever else is used.
//!
//! C source: `net/smc/smc.h`, `struct smc_sock` and `struct smc_connection`.

use core::mem::size_of;
use core::sync::atomic::{
    AtomicI32,
    AtomicU64,
    AtomicU8,
    Ordering, //
};

use kernel::prelude::*;

use crate::bindings;
use crate::compat::symbol::address_of;

/// `union smc_host_cursor`: where in a buffer, and how often around, as one number.
type Cursor = AtomicU64;

/// `struct smc_host_cdc_msg`: what one end tells the other, in host byte order but for the flags.
#[repr(C, align(8))]
struct Control {
    head: [u32; 2],
    cursors: [Cursor; 2],
    producer: u8,
    /// `struct smc_cdc_conn_state_flags`.
    ends: AtomicU8,
    reserved: [u8; 18],
}

/// `peer_done_writing` of `struct smc_cdc_conn_state_flags`.
const DONE: u8 = 0x80;
/// `peer_conn_closed`.
const CLOSED: u8 = 0x40;
/// `peer_conn_abort`.
const ABORT: u8 = 0x20;

/// `struct smc_connection`.
#[repr(C)]
struct Connection {
    node: bindings::rb_node,
    group: *mut c_void,
    link: *mut c_void,
    token: u32,
    peer_buffer: u8,
    peer_size: c_int,
    peer_space: c_int,
    peer_key: c_int,
    send_buffer: *mut c_void,
    receive_buffer: *mut c_void,
    sizes: [c_int; 2],
    told: Control,
    confirmed: Cursor,
    prepared: Cursor,
    sent: Cursor,
    finished: Cursor,
    send_space: AtomicI32,
    numbers: [u16; 2],
    send_lock: bindings::spinlock_t,
    pending: c_int,
    pending_queue: bindings::wait_queue_head_t,
    transmit: bindings::delayed_work,
    peer_offset: u32,
    heard: Control,
    received: [Cursor; 2],
    urgent_state: c_uint,
    urgent: [u8; 3],
    /// `tx_in_release_sock`: who unlocks the socket sends what is unsent.
    send_at_unlock: AtomicU8,
    to_receive: AtomicI32,
    spliced: c_int,
    close: bindings::work_struct,
    abort: bindings::work_struct,
    tasklet: bindings::tasklet_struct,
    receive_offset: u8,
    peer_token: u64,
    /// `killed`, `freed`, `out_of_sync`: one byte's bits before 7.3.
    fate: [u8; 3],
}

/// `struct smc_sock`.
#[repr(C)]
struct SmcSock {
    inet: bindings::inet_sock,
    tcp: *mut bindings::socket,
    callbacks: [*mut c_void; 4],
    connection: Connection,
    listener: *mut c_void,
    connect: bindings::work_struct,
    accept: bindings::work_struct,
    handshake: bindings::work_struct,
    accepted: bindings::list_head,
    accepted_lock: bindings::spinlock_t,
    limited: u8,
    fell_back: u8,
    reason: c_int,
    peer_reason: u32,
    handshakes: c_int,
    af_ops: bindings::inet_connection_sock_af_ops,
    old_af_ops: *const c_void,
    defer_accept: c_int,
    /// `wait_close_tx_prepared`, `connect_nonblock`.
    bits: AtomicU8,
    tcp_lock: bindings::mutex,
}

/// `connect_nonblock` in `bits`.
const CONNECTING: u8 = if cfg!(target_endian = "little") {
    0x02
} else {
    0x40
};

/// A live socket of SMC's, whose struct is as this file says.
///
/// # Invariants
///
/// The pointer is to a live `struct smc_sock` of that layout.
#[derive(Clone, Copy)]
pub struct Inner(*mut SmcSock);

impl Inner {
    /// # Safety
    ///
    /// `sk` must be a live socket of SMC's, and [`Inner::is_as_known`] have said so of one.
    pub unsafe fn from_raw(sk: *mut bindings::sock) -> Self {
        // INVARIANT: By the safety requirement.
        Self(sk.cast())
    }

    /// Whether `sk` is as this file says.
    ///
    /// # Safety
    ///
    /// `sk` must be a live socket of SMC's that nothing has been done with yet.
    ///
    /// # Errors
    ///
    /// `ENOENT`: a function of SMC's is absent; `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub unsafe fn is_as_known(sk: *mut bindings::sock) -> Result<bool> {
        // SAFETY: `sk` is live by the safety requirement.
        if unsafe { bindings::smcify_sk_size(sk) } != size_of::<SmcSock>() {
            return Ok(false);
        }
        let smc: *mut SmcSock = sk.cast();
        // SAFETY: That is how much memory it has, so all its fields are there, whatever they are.
        // Nobody writes to those of a fresh socket.
        let (works, list, tcp) = unsafe {
            let transmit = &raw const (*smc).connection.transmit;
            (
                [
                    (&raw const (*smc).connect, "smc_connect_work"),
                    (&raw const (*smc).accept, "smc_tcp_listen_work"),
                    (transmit.cast(), "smc_tx_work"),
                    (&raw const (*smc).connection.close, "smc_close_passive_work"),
                ],
                (*smc).accepted.next == &raw mut (*smc).accepted,
                bindings::smcify_tcp_is((*smc).tcp),
            )
        };
        for (work, name) in works {
            // SAFETY: As above: a number is read.
            let function = unsafe { bindings::smcify_work_function(work) };
            // The address is behind a landing pad for indirect calls, if there is one.
            if address_of(name)?.wrapping_sub(function) > LANDING_PAD {
                return Ok(false);
            }
        }
        Ok(list && tcp)
    }

    fn connection(&self) -> &Connection {
        // SAFETY: By the type invariant. What others write to is atomic, and the rest is not
        // looked at but for pointers that are set before there is a connection.
        unsafe { &(*self.0).connection }
    }

    /// Whether there is something that has been accepted and not been sent yet,
    /// `smc_tx_prepared_sends()`.
    ///
    /// Context: any.
    pub fn has_unsent(&self) -> bool {
        let connection = self.connection();
        let sent = connection.sent.load(Ordering::Acquire);
        connection.prepared.load(Ordering::Acquire) != sent
    }

    /// The peer has said that it sends no more, as it does when it ends in order.
    ///
    /// Context: any.
    pub fn has_ended(&self) -> bool {
        self.heard() & (DONE | CLOSED) != 0
    }

    /// The peer has said that it has thrown the connection away.
    ///
    /// Context: any.
    pub fn is_aborted(&self) -> bool {
        self.heard() & ABORT != 0
    }

    /// What the peer has said of its end, `local_rx_ctrl`.
    fn heard(&self) -> u8 {
        self.connection().heard.ends.load(Ordering::Acquire)
    }

    /// The connection goes by RDMA: closing it asks the peer and waits for an answer.
    pub fn is_rdma(&self) -> bool {
        !self.connection().link.is_null()
    }

    /// From the socket's next unlocking on nothing is kept back any more.
    pub fn send_at_unlock(&self) {
        self.connection().send_at_unlock.store(1, Ordering::Relaxed);
    }

    /// There is a byte more to be received, which nobody will: who closes the connection tells the
    /// peer that it was thrown away (`smc_close_final()`), and keeps what the peer may still write
    /// to until that has answered. With the socket's lock held.
    pub fn pretend_unread(&self) {
        self.connection().to_receive.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a connection waits to be accepted.
    ///
    /// Context: any.
    pub fn has_accepted(&self) -> bool {
        // SAFETY: By the type invariant; a pointer is read and compared.
        unsafe {
            let list = &raw mut (*self.0).accepted;
            (&raw const (*list).next).read_volatile() != list
        }
    }

    /// `TCP_DEFER_ACCEPT`, in seconds.
    pub fn defers_accept(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { (&raw const (*self.0).defer_accept).read_volatile() != 0 }
    }

    /// Takes note that an attempt to connect without waiting is over; whether there was one. With
    /// the socket's lock held.
    pub fn stop_connecting(&self) -> bool {
        // SAFETY: By the type invariant.
        let before = unsafe { &(*self.0).bits }.fetch_and(!CONNECTING, Ordering::Relaxed);
        before & CONNECTING != 0
    }

    /// Calls `with` with the TCP socket inside, which stays until that returns; `None` if it has
    /// been closed.
    ///
    /// Context: process context, may sleep.
    pub fn with_tcp<T>(&self, with: impl FnOnce(*mut bindings::socket) -> T) -> Option<T> {
        // SAFETY: By the type invariant the mutex is there, initialised by SMC: it is the one that
        // protects the pointer.
        unsafe {
            let lock = &raw mut (*self.0).tcp_lock;
            bindings::smcify_mutex_lock(lock);
            let tcp = (*self.0).tcp;
            let done = (!tcp.is_null()).then(|| with(tcp));
            bindings::mutex_unlock(lock);
            done
        }
    }
}

/// The longest landing pad, in bytes.
const LANDING_PAD: c_ulong = 8;
