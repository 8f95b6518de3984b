// SPDX-License-Identifier: GPL-2.0

//! Binding: the operations as the socket layer calls them, `struct proto_ops`. Each looks at what it
//! is given, and leaves the rest to the file with its subject.
//!
//! Each runs in process context, without the socket's lock, and may sleep; `poll` does not.
//!
//! C header: `include/linux/net.h`.

use kernel::prelude::*;

use super::errno::EOPNOTSUPP;
use super::options::is_tcp_s_alone;
use super::socket::flags::DONT_WAIT;
use super::socket::{
    Message,
    State,
    Stream, //
};
use crate::bindings;
use crate::compat::version::SockAddr;

/// Calls an operation of SMC's.
///
/// # Safety
///
/// For the block in which it is used: what that operation asks for.
macro_rules! smc {
    ($stream:expr, $op:ident $(, $argument:expr)*) => {
        match $stream.smc().$op {
            Some(op) => op($stream.as_ptr() $(, $argument)*),
            None => EOPNOTSUPP,
        }
    };
}

/// SMC's own operations, with what this room gives them.
impl Stream {
    /// SMC's `sendmsg`.
    pub(super) fn smc_send(&self, message: &mut Message) -> c_int {
        let left = message.left();
        // SAFETY: The socket is live, and the message the caller's.
        unsafe { smc!(self, sendmsg, message.as_ptr(), left) }
    }

    /// SMC's `release`.
    pub(super) fn smc_release(&self) -> c_int {
        // SAFETY: The socket is live; who calls this is about to end it.
        unsafe { smc!(self, release) }
    }

    /// SMC's `shutdown`.
    pub(super) fn smc_shutdown(&self, how: c_int) -> c_int {
        // SAFETY: The socket is live.
        unsafe { smc!(self, shutdown, how) }
    }

    /// SMC's `listen`.
    pub(super) fn smc_listen(&self, backlog: c_int) -> c_int {
        // SAFETY: The socket is live.
        unsafe { smc!(self, listen, backlog) }
    }

    fn with_tcp<T>(&self, with: impl FnOnce(*mut bindings::socket) -> T) -> Option<T> {
        self.inner()?.with_tcp(with)
    }

    /// Ends the TCP socket's part, a listener's as well: `None` if it has none any more.
    pub(super) fn shutdown_tcp(&self) -> Option<c_int> {
        let how = bindings::sock_shutdown_cmd_SHUT_RDWR;
        // SAFETY: The TCP socket is live as long as the closure runs.
        self.with_tcp(|tcp| unsafe { bindings::kernel_sock_shutdown(tcp, how) })
    }

    /// The TCP socket listens.
    pub(super) fn listen_tcp(&self, backlog: c_int) -> Option<c_int> {
        // SAFETY: As above.
        self.with_tcp(|tcp| unsafe { bindings::kernel_listen(tcp, backlog) })
    }

    /// `TCP_CORK` is on.
    pub(super) fn is_corked(&self) -> bool {
        // SAFETY: As above, and so is its `sk`.
        self.with_tcp(|tcp| unsafe { bindings::smcify_tcp_is_corked((*tcp).sk) })
            .unwrap_or(false)
    }

    /// The TCP socket is, to who lists sockets, the program's; and it lingers as long.
    pub(super) fn make_tcp_resemble(&self) {
        let sk = self.sk().as_ptr();
        // SAFETY: As above, and so is its `sk`.
        self.with_tcp(|tcp| unsafe {
            bindings::smcify_tcp_resemble(tcp, self.as_ptr());
            bindings::smcify_sk_linger_like((*tcp).sk, sk);
        });
    }

    /// It lingers as long as `other`.
    pub(super) fn linger_like(&self, other: &Self) {
        // SAFETY: Both are live.
        unsafe { bindings::smcify_sk_linger_like(self.sk().as_ptr(), other.sk().as_ptr()) };
    }

    /// The TCP socket is bound to the same device, with the same mark and priority.
    pub(super) fn bind_tcp_like_this(&self) {
        let sk = self.sk().as_ptr();
        // SAFETY: As above.
        self.with_tcp(|tcp| unsafe { bindings::smcify_tcp_bind_like(tcp, sk) });
    }

    /// What an attempt to connect has ended with is known.
    pub(super) fn forget_tcp_error(&self) {
        // SAFETY: As above.
        self.with_tcp(|tcp| unsafe { bindings::smcify_tcp_forget_error(tcp) });
    }

    /// What is unsent is kept back no longer.
    pub(super) fn send_now(&self) {
        if let Some(inner) = self.inner() {
            self.sk().locked(|| {
                // Not of a connection that somebody has closed meanwhile.
                if self.is_unsent() {
                    inner.send_at_unlock();
                }
            });
        }
    }

    /// Sleeps for a moment of at most `left` jiffies; what is left then.
    pub(super) fn wait_moment(&self, left: c_long) -> c_long {
        let moment = left.min(MOMENT);
        let rest = self.sk().wait(moment, false, never);
        left - (moment - rest).max(1)
    }
}

/// How long a moment is, in jiffies: as little as can be.
const MOMENT: c_long = 1;

/// For [`super::socket::Sk::wait`].
///
/// # Safety
///
/// `sk` must be live.
pub(super) unsafe extern "C" fn is_not_connecting(sk: *mut bindings::sock) -> bool {
    // SAFETY: By the safety requirement.
    let sk = unsafe { &*sk.cast::<super::socket::Sk>() };
    sk.state() != State::Init || sk.error() != 0
}

/// The same of a listener: that there is something to say.
///
/// # Safety
///
/// `sk` must be a live socket of SMC's, whose struct is as known.
pub(super) unsafe extern "C" fn has_accepted(sk: *mut bindings::sock) -> bool {
    // SAFETY: By the safety requirement.
    let (inner, sk) = unsafe {
        let inner = super::layout::Inner::from_raw(sk);
        (inner, &*sk.cast::<super::socket::Sk>())
    };
    inner.has_accepted() || sk.shut() != 0 || sk.state() != State::Listen
}

/// The same of nothing at all.
///
/// # Safety
///
/// None.
unsafe extern "C" fn never(_sk: *mut bindings::sock) -> bool {
    false
}

/// Puts this room's operations into a copy of SMC's.
pub(super) fn replace(ops: &mut bindings::proto_ops) {
    ops.release = Some(release);
    ops.bind = Some(bind);
    ops.connect = Some(connect);
    ops.accept = Some(accept);
    ops.getname = Some(getname);
    ops.poll = Some(poll);
    ops.ioctl = Some(ioctl);
    ops.listen = Some(listen);
    ops.shutdown = Some(shutdown);
    ops.setsockopt = Some(setsockopt);
    ops.sendmsg = Some(sendmsg);
    ops.recvmsg = Some(recvmsg);
    ops.splice_read = Some(splice_read);
}

/// # Safety
///
/// `sock` must be a live socket of this protocol whose last user is the caller.
unsafe extern "C" fn release(sock: *mut bindings::socket) -> c_int {
    // SAFETY: By the safety requirement. Without `sk` it was never completed.
    unsafe {
        if (*sock).sk.is_null() {
            return 0;
        }
        Stream::from_raw(sock).close()
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `address` of `length` bytes.
unsafe extern "C" fn bind(
    sock: *mut bindings::socket,
    address: *mut SockAddr,
    length: c_int,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's.
    unsafe {
        let stream = Stream::from_raw(sock);
        stream.before_bind();
        smc!(stream, bind, address, length)
    }
}

/// # Safety
///
/// As of [`bind`].
unsafe extern "C" fn connect(
    sock: *mut bindings::socket,
    address: *mut SockAddr,
    length: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's.
    unsafe {
        let stream = Stream::from_raw(sock);
        stream.before_connect();
        smc!(stream, connect, address, length, flags)
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `new` one without `sk` that has its operations,
/// `argument` the caller's.
unsafe extern "C" fn accept(
    sock: *mut bindings::socket,
    new: *mut bindings::socket,
    argument: *mut bindings::proto_accept_arg,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's; after success `new` has a `sk`.
    unsafe {
        let stream = Stream::from_raw(sock);
        let flags = (*argument).flags;
        let answer = stream.accept(flags, |flags| {
            (*argument).flags = flags;
            smc!(stream, accept, new, argument)
        });
        (*argument).flags = flags;
        if answer == 0 {
            Stream::from_raw(new).after_accept(stream);
        }
        answer
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `address` have room for any.
unsafe extern "C" fn getname(
    sock: *mut bindings::socket,
    address: *mut bindings::sockaddr,
    peer: c_int,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's and TCP's.
    unsafe {
        let stream = Stream::from_raw(sock);
        let answer = smc!(stream, getname, address, peer);
        stream.name(answer, || {
            stream.with_tcp(|tcp| match (*(*tcp).ops).getname {
                Some(op) => op(tcp, address, peer),
                None => EOPNOTSUPP,
            })
        })
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, and that of `file`; `table` the caller's.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    sock: *mut bindings::socket,
    table: *mut bindings::poll_table_struct,
) -> bindings::__poll_t {
    // SAFETY: By the safety requirement, which is SMC's.
    unsafe {
        let Some(op) = (*(*sock).ops.cast::<super::protocol::Ops>()).smc().poll else {
            return 0;
        };
        let events = op(file, sock, table);
        match (*sock).sk.is_null() {
            true => events,
            false => Stream::from_raw(sock).events(events),
        }
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol.
unsafe extern "C" fn ioctl(
    sock: *mut bindings::socket,
    command: c_uint,
    argument: c_ulong,
) -> c_int {
    // SAFETY: By the safety requirement; `argument` is the program's, and looked at as such.
    unsafe {
        let stream = Stream::from_raw(sock);
        let answer = smc!(stream, ioctl, command, argument);
        stream.ioctl(answer, || {
            stream.with_tcp(|tcp| match (*(*tcp).ops).ioctl {
                Some(op) => op(tcp, command, argument),
                None => EOPNOTSUPP,
            })
        })
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol.
unsafe extern "C" fn listen(sock: *mut bindings::socket, backlog: c_int) -> c_int {
    // SAFETY: By the safety requirement.
    unsafe { Stream::from_raw(sock) }.listen(backlog)
}

/// # Safety
///
/// `sock` must be a live socket of this protocol.
unsafe extern "C" fn shutdown(sock: *mut bindings::socket, how: c_int) -> c_int {
    // SAFETY: By the safety requirement.
    unsafe { Stream::from_raw(sock) }.shutdown(how)
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `value` of `length` bytes.
unsafe extern "C" fn setsockopt(
    sock: *mut bindings::socket,
    level: c_int,
    name: c_int,
    value: bindings::sockptr_t,
    length: c_uint,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's and TCP's.
    unsafe {
        let stream = Stream::from_raw(sock);
        let by_tcp = is_tcp_s_alone(level, name, length).then(|| {
            stream.with_tcp(|tcp| match (*(*tcp).ops).setsockopt {
                Some(op) => op(tcp, level, name, value, length),
                None => EOPNOTSUPP,
            })
        });
        match by_tcp.flatten() {
            Some(answer) => answer,
            None => smc!(stream, setsockopt, level, name, value, length),
        }
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `message` the caller's.
unsafe extern "C" fn sendmsg(
    sock: *mut bindings::socket,
    message: *mut bindings::msghdr,
    _length: usize,
) -> c_int {
    // SAFETY: By the safety requirement.
    unsafe { Stream::from_raw(sock).send(Message::from_raw(message)) }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `message` the caller's.
unsafe extern "C" fn recvmsg(
    sock: *mut bindings::socket,
    message: *mut bindings::msghdr,
    length: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: By the safety requirement, which is SMC's.
    unsafe {
        let stream = Stream::from_raw(sock);
        loop {
            let answer = smc!(stream, recvmsg, message, length, flags) as isize;
            if let Some(answer) = stream.received(answer, length, flags) {
                return answer as c_int;
            }
        }
    }
}

/// # Safety
///
/// `sock` must be a live socket of this protocol, `pipe` the caller's.
unsafe extern "C" fn splice_read(
    sock: *mut bindings::socket,
    position: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    length: usize,
    flags: c_uint,
) -> isize {
    // SAFETY: By the safety requirement, which is SMC's.
    unsafe {
        let stream = Stream::from_raw(sock);
        let now = match flags & SPLICE_NON_BLOCKING {
            0 => 0,
            _ => DONT_WAIT,
        };
        let Some(op) = stream.smc().splice_read else {
            return EOPNOTSUPP as isize;
        };
        loop {
            let answer = op(sock, position, pipe, length, flags);
            if let Some(answer) = stream.received(answer, length, now) {
                return answer;
            }
        }
    }
}

/// `SPLICE_F_NONBLOCK` of `include/linux/splice.h`.
const SPLICE_NON_BLOCKING: c_uint = 2;
