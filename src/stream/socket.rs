// SPDX-License-Identifier: GPL-2.0

//! Binding: a socket of this protocol, SMC's own operations on it, and what the other files of the
//! room ask of it.
//!
//! C headers: `include/linux/net.h`, `include/net/sock.h`.

use kernel::prelude::*;
use kernel::types::Opaque;

use super::layout::Inner;
use super::protocol::Ops;
use crate::bindings;

/// `POLL*` of `include/uapi/linux/eventpoll.h`, and other constants that bindgen leaves out.
pub mod events {
    /// `EPOLLIN | EPOLLRDNORM`.
    pub const READABLE: u32 = 0x0001 | 0x0040;
    /// `EPOLLOUT | EPOLLWRNORM`.
    pub const WRITABLE: u32 = 0x0004 | 0x0100;
    /// `EPOLLHUP`.
    pub const HANGUP: u32 = 0x0010;
    /// `EPOLLRDHUP`.
    pub const READ_HANGUP: u32 = 0x2000;
}

/// `MSG_*` of `include/linux/socket.h`, in the type that `recvmsg` has them in.
pub mod flags {
    use kernel::prelude::*;

    /// `MSG_OOB`.
    pub const OOB: c_int = 0x1;
    /// `MSG_DONTWAIT`.
    pub const DONT_WAIT: c_int = 0x40;
    /// `MSG_ERRQUEUE`.
    pub const ERROR_QUEUE: c_int = 0x2000;
    /// `MSG_NOSIGNAL`.
    pub const NO_SIGNAL: c_int = 0x4000;
    /// `MSG_MORE`.
    pub const MORE: c_int = 0x8000;
    /// `MSG_FASTOPEN`.
    pub const FAST_OPEN: c_int = 0x2000_0000;
}

/// `RCV_SHUTDOWN` of `include/net/sock.h`.
pub const RECEIVING: c_int = 1;
/// `SEND_SHUTDOWN`.
pub const SENDING: c_int = 2;

/// `enum smc_state` of `net/smc/smc.h`, which `diag_state` of `include/uapi/linux/smc_diag.h`
/// shows to user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Both directions are open.
    Active,
    /// New, or connecting.
    Init,
    /// Over, or never begun.
    Closed,
    /// Listening.
    Listen,
    /// We have shut our direction, or both.
    PeerCloseWait,
    /// The peer has shut its direction, or both.
    AppCloseWait1,
    /// The peer has, and then we have shut our direction.
    AppCloseWait2,
    /// We have shut our direction, and then the peer has closed.
    AppFinCloseWait,
    /// The peer has shut its direction, and then we have closed.
    PeerFinCloseWait,
    /// Broken by us.
    PeerAbortWait,
    /// Broken by the peer.
    ProcessAbort,
}

/// `SMC_INIT`.
const INIT: c_int = 2;

/// Protocol side of a [`Stream`], a live `struct sock`.
#[repr(transparent)]
pub struct Sk(Opaque<bindings::sock>);

/// The state of a `struct socket`, `socket_state` of `include/uapi/linux/net.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `SS_UNCONNECTED`.
    Unconnected,
    /// `SS_CONNECTING`.
    Connecting,
    /// `SS_CONNECTED` or `SS_DISCONNECTING`.
    Connected,
}

/// A live socket of this protocol, for one call of the socket layer's or of a worker's.
///
/// # Invariants
///
/// The `struct socket` is live, its `sk` is not NULL but a live socket of SMC's, and its `ops` are
/// those of an [`Ops`].
#[repr(transparent)]
pub struct Stream(Opaque<bindings::socket>);

impl Stream {
    /// # Safety
    ///
    /// `socket` must be as the type's invariants say, for `'a`.
    pub unsafe fn from_raw<'a>(socket: *mut bindings::socket) -> &'a Self {
        // SAFETY: `Self` is transparent, and the socket stays by the safety requirement.
        unsafe { &*socket.cast() }
    }

    /// The `struct socket`.
    pub fn as_ptr(&self) -> *mut bindings::socket {
        self.0.get()
    }

    /// The operations that it was made with.
    pub fn ops(&self) -> &Ops {
        // SAFETY: By the type invariants.
        unsafe { &*(*self.as_ptr()).ops.cast() }
    }

    /// SMC's own operations.
    pub fn smc(&self) -> &bindings::proto_ops {
        self.ops().smc()
    }

    /// Its protocol side.
    pub fn sk(&self) -> &Sk {
        // SAFETY: By the type invariants.
        unsafe { &*(*self.as_ptr()).sk.cast() }
    }

    /// What is known of SMC's struct, if that is as known.
    pub fn inner(&self) -> Option<Inner> {
        let is_known = self.ops().is_known();
        // SAFETY: By the type invariants; it has been asked at load.
        is_known.then(|| unsafe { Inner::from_raw(self.sk().as_ptr()) })
    }

    /// It has become its TCP socket: that one is the file's, and this one waits to be closed.
    ///
    /// Context: any.
    pub fn fell_back(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::smcify_fell_back(self.as_ptr()) }
    }

    /// It is a program's, or has been until now, and not one that a
    /// [`Later`](super::later::Later) has made.
    ///
    /// Context: any.
    pub fn has_file(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::smcify_has_file(self.as_ptr()) }
    }

    /// How far it is used.
    ///
    /// Context: any.
    pub fn used(&self) -> Use {
        // SAFETY: By the type invariants.
        match unsafe { (&raw const (*self.as_ptr()).state).read_volatile() } {
            bindings::socket_state_SS_CONNECTING => Use::Connecting,
            bindings::socket_state_SS_CONNECTED | bindings::socket_state_SS_DISCONNECTING => {
                Use::Connected
            }
            _ => Use::Unconnected,
        }
    }

    /// From now on it is as one that has never been connected. With the lock held.
    pub fn set_unconnected(&self) {
        // SAFETY: By the type invariants; the lock is what protects the state.
        unsafe { (*self.as_ptr()).state = bindings::socket_state_SS_UNCONNECTED };
    }

    /// From now on it is as one that has been connected and is so no more. With the lock held.
    pub fn set_disconnecting(&self) {
        // SAFETY: As above.
        unsafe { (*self.as_ptr()).state = bindings::socket_state_SS_DISCONNECTING };
    }
}

impl Sk {
    /// The `struct sock`.
    pub fn as_ptr(&self) -> *mut bindings::sock {
        self.0.get()
    }

    /// Its state.
    ///
    /// Context: any.
    pub fn state(&self) -> State {
        // SAFETY: A live socket.
        match unsafe { bindings::smcify_sk_state(self.as_ptr()) } {
            1 => State::Active,
            INIT => State::Init,
            10 => State::Listen,
            20 | 21 => State::PeerCloseWait,
            22 => State::AppCloseWait1,
            23 => State::AppCloseWait2,
            24 => State::AppFinCloseWait,
            25 => State::PeerFinCloseWait,
            26 => State::PeerAbortWait,
            27 => State::ProcessAbort,
            _ => State::Closed,
        }
    }

    /// An error of the connection's that nobody has been told yet: a positive errno, or 0.
    ///
    /// Context: any.
    pub fn error(&self) -> c_int {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_error(self.as_ptr()) }
    }

    /// Takes that error, `sock_error()`: a negative errno, or 0.
    ///
    /// Context: any.
    pub fn take_error(&self) -> c_int {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_take_error(self.as_ptr()) }
    }

    /// Puts back an error, a positive errno, that nobody has been told, if there is no other.
    ///
    /// Context: any.
    pub fn set_error(&self, error: c_int) {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_set_error(self.as_ptr(), error) }
    }

    /// Closing does not wait for what is unsent. With the lock held.
    pub fn do_not_linger(&self) {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_do_not_linger(self.as_ptr()) }
    }

    /// The directions that are shut: [`RECEIVING`] and [`SENDING`].
    ///
    /// Context: any.
    pub fn shut(&self) -> c_int {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_shutdown(self.as_ptr()) }
    }

    /// Shuts the directions of `mask` and wakes whoever sleeps for the socket. With the lock held.
    pub fn shut_down(&self, mask: c_int) {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_shut(self.as_ptr(), mask) }
    }

    /// Takes that back. With the lock held.
    pub fn reopen(&self) {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_reopen(self.as_ptr()) }
    }

    /// `SO_LINGER`, in jiffies, if it is on.
    ///
    /// Context: any.
    pub fn linger(&self) -> Option<c_ulong> {
        // SAFETY: A live socket, twice.
        unsafe {
            bindings::smcify_sk_lingers(self.as_ptr())
                .then(|| bindings::smcify_sk_linger_time(self.as_ptr()))
        }
    }

    /// `SO_RCVTIMEO` in jiffies, or 0 for a call that must not wait.
    ///
    /// Context: any.
    pub fn receive_timeout(&self, now: bool) -> c_long {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_timeout(self.as_ptr(), true, now) }
    }

    /// `SO_SNDTIMEO`, likewise.
    pub fn send_timeout(&self, now: bool) -> c_long {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_timeout(self.as_ptr(), false, now) }
    }

    /// Calls `with` with the socket's lock held.
    ///
    /// Context: process context, may sleep.
    pub fn locked<T>(&self, with: impl FnOnce() -> T) -> T {
        // SAFETY: A live socket, and its lock is not held by this task: the socket layer calls
        // without it.
        unsafe { bindings::smcify_sk_lock(self.as_ptr()) };
        let done = with();
        // SAFETY: As above; it is held now.
        unsafe { bindings::smcify_sk_unlock(self.as_ptr()) };
        done
    }

    /// Sleeps until `over`, as often as somebody wakes those who wait for the socket, or a signal,
    /// or the end of `timeout` jiffies; what is left of these. One of several that are
    /// `exclusive` is woken at a time.
    ///
    /// Context: process context, sleeps.
    pub fn wait(&self, timeout: c_long, exclusive: bool, over: Over) -> c_long {
        // SAFETY: A live socket, and `over` takes it.
        unsafe { bindings::smcify_sk_wait(self.as_ptr(), timeout, exclusive, Some(over)) }
    }

    /// Forgets an attempt to connect that has failed. With the lock held.
    pub fn set_init(&self) {
        // SAFETY: A live socket.
        unsafe { bindings::smcify_sk_set_state(self.as_ptr(), INIT) }
    }
}

/// What [`Sk::wait`] waits for.
pub type Over = unsafe extern "C" fn(*mut bindings::sock) -> bool;

/// What is being sent, `struct msghdr`.
#[repr(transparent)]
pub struct Message(Opaque<bindings::msghdr>);

impl Message {
    /// # Safety
    ///
    /// `message` must be live for `'a`, and nobody else's.
    pub unsafe fn from_raw<'a>(message: *mut bindings::msghdr) -> &'a mut Self {
        // SAFETY: `Self` is transparent; the rest is the safety requirement.
        unsafe { &mut *message.cast() }
    }

    /// The `struct msghdr`.
    pub fn as_ptr(&mut self) -> *mut bindings::msghdr {
        self.0.get()
    }

    /// Its flags, `MSG_*`.
    pub fn flags(&self) -> c_int {
        // SAFETY: Live by the contract of `from_raw()`.
        unsafe { (*self.0.get()).msg_flags as c_int }
    }

    /// Without `flags` from now on.
    pub fn clear(&mut self, flags: c_int) {
        // SAFETY: As above, and ours alone.
        unsafe { (*self.0.get()).msg_flags &= !(flags as c_uint) }
    }

    /// With `flags` from now on.
    pub fn set(&mut self, flags: c_int) {
        // SAFETY: As above, and ours alone.
        unsafe { (*self.0.get()).msg_flags |= flags as c_uint }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        // SAFETY: As above.
        unsafe { bindings::smcify_msg_left(self.0.get()) }
    }

    /// How many of the first `most` of them, the last ones, the program cannot give: they are not
    /// mapped.
    ///
    /// Context: process context, may sleep.
    pub fn unreadable(&self, most: usize) -> usize {
        // SAFETY: As above.
        unsafe { bindings::smcify_msg_unreadable(self.0.get(), most) }
    }

    /// Calls `with` with the message without its last `by` bytes; not more than are left.
    pub fn without<T>(&mut self, by: usize, with: impl FnOnce(&mut Self) -> T) -> T {
        // SAFETY: As above, and ours alone.
        unsafe { bindings::smcify_msg_shorten(self.0.get(), by) };
        let done = with(self);
        // SAFETY: As above; these bytes are there.
        unsafe { bindings::smcify_msg_lengthen(self.0.get(), by) };
        done
    }
}

/// How long a call may wait in all, as `SO_SNDTIMEO` says.
pub struct Timeout {
    begun: c_ulong,
    length: c_long,
}

impl Timeout {
    /// `length` jiffies from now.
    pub fn of(length: c_long) -> Self {
        let begun = jiffies();
        Self { begun, length }
    }

    /// Whether they have passed. Not if there are none: a call that must not wait does not.
    pub fn is_over(&self) -> bool {
        self.length != 0 && jiffies().wrapping_sub(self.begun) >= self.length as c_ulong
    }
}

fn jiffies() -> c_ulong {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_jiffies() }
}

/// The current task is ending.
///
/// Context: process context.
pub fn is_exiting() -> bool {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_is_exiting() }
}

/// The current task has a signal to attend to.
///
/// Context: process context.
pub fn has_signal() -> bool {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_has_signal() }
}

/// What a call says that a signal has ended, which would have waited for `timeout` more jiffies,
/// `sock_intr_errno()`: `-ERESTARTSYS` or `-EINTR`.
pub fn interrupted(timeout: c_long) -> c_int {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_interrupted(timeout) }
}

/// Sends the current task SIGPIPE.
///
/// Context: process context.
pub fn sigpipe() {
    // SAFETY: An FFI call without requirements.
    unsafe { bindings::smcify_sigpipe() }
}
