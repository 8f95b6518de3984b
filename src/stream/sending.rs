// SPDX-License-Identifier: GPL-2.0

//! Sending: whole, or with the reason why not.
//!
//! Logic. What TCP promises: `send(2)` "If the message is too long ... blocks" until all of it is
//! taken; `epoll(7)`, that a short write of a non-blocking socket is followed by an event; `tcp(7)`,
//! that what `TCP_CORK` keeps back goes after 200 ms; `write(2)`, that `EPIPE` comes with SIGPIPE.
//! SMC does none of that (`docs/smc-findings.md`).

use kernel::prelude::*;

use super::errno::{
    as_tcp,
    EAGAIN,
    ECONNABORTED,
    ECONNRESET,
    EFAULT,
    ENOTCONN,
    EPIPE, //
};
use super::socket::flags::{
    DONT_WAIT,
    FAST_OPEN,
    MORE,
    NO_SIGNAL,
    OOB, //
};
use super::socket::{
    has_signal,
    interrupted,
    sigpipe,
    Message,
    State,
    Stream,
    Timeout,
    Use, //
};

/// How much of a message is looked at before it is sent, in bytes: more than SMC takes at a time.
const ROUND: usize = 1 << 20;

impl Stream {
    /// `send(2)` and all its relatives: how many bytes the connection has taken, or a negative
    /// errno.
    ///
    /// - All, if it may wait: SMC takes what there is room for. If it may not, it is asked once
    ///   more, and it is that refusal which makes it tell pollers of room.
    /// - `MSG_MORE`, which `sendfile(2)` sets too, is not passed on, and what is corked is sent
    ///   all the same: SMC would keep the last bytes until the program sends more.
    /// - Up to the first byte that the program cannot give, and only then `EFAULT`: before 7.3.4
    ///   SMC forgets what it has copied.
    ///
    /// # Errors
    ///
    /// - `EPIPE`, with SIGPIPE unless `MSG_NOSIGNAL`: this direction is shut, the peer has
    ///   closed, the socket is not connected.
    /// - `ECONNRESET`: the connection is broken, said once.
    /// - `EAGAIN`, `EFAULT`, `EINTR`.
    ///
    /// Context: process context, may sleep.
    pub fn send(&self, message: &mut Message) -> c_int {
        let flags = message.flags();
        if flags & (OOB | FAST_OPEN) != 0 || self.fell_back() {
            return self.smc_send(message);
        }
        message.clear(MORE);
        // It is sent below, where it is known what for.
        message.set(NO_SIGNAL);
        let mut taken: c_int = 0;
        let timeout = Timeout::of(self.sk().send_timeout(flags & DONT_WAIT != 0));
        loop {
            let told = self.is_reset();
            let answer = self.send_readable(message);
            if answer > 0 {
                taken = taken.saturating_add(answer);
                if message.left() > 0 && !timeout.is_over() {
                    continue;
                }
            }
            if taken > 0 {
                self.keep_error(answer, told);
                self.send_corked();
                return taken;
            }
            match self.send_error(answer, flags, told) {
                Some(error) => return error,
                None => continue,
            }
        }
    }

    /// Sends what the program can give of what is left.
    fn send_readable(&self, message: &mut Message) -> c_int {
        let left = message.left();
        let looked_at = left.min(ROUND);
        match message.unreadable(looked_at) {
            0 if looked_at == left => self.smc_send(message),
            all if all == looked_at => EFAULT,
            some => message.without(left - looked_at + some, |message| self.smc_send(message)),
        }
    }

    /// An error of the connection's that SMC gave while part of the message had gone already: the
    /// program is told by its next call.
    fn keep_error(&self, answer: c_int, told: bool) {
        match answer {
            ECONNRESET if !told && self.may_be_aborted() => self.sk().set_error(-ECONNRESET),
            ECONNABORTED => self.sk().set_error(-ECONNABORTED),
            _ => (),
        }
    }

    /// What to say of SMC's `answer`, with which nothing has been sent; `None` if it is to be tried
    /// again. `told`: that the peer has thrown the connection away was known before, and said.
    fn send_error(&self, answer: c_int, flags: c_int, told: bool) -> Option<c_int> {
        let (sk, broken) = (self.sk(), self.sk().error() != 0);
        let connecting = sk.state() == State::Init && self.used() == Use::Connecting;
        let error = match answer {
            ENOTCONN if connecting => {
                return self.wait_connected(sk.send_timeout(flags & DONT_WAIT != 0))
            }
            ECONNRESET | EPIPE if broken => as_tcp(sk.take_error()),
            // SMC says so for ever of a peer that has closed, in order or not; TCP says once that
            // it was not.
            ECONNRESET if !told && self.may_be_aborted() => ECONNRESET,
            ECONNRESET | EPIPE | ENOTCONN => EPIPE,
            other => as_tcp(other),
        };
        if error == EPIPE && flags & NO_SIGNAL == 0 {
            sigpipe();
        }
        Some(error)
    }

    /// The peer has thrown the connection away, or that is not known.
    fn may_be_aborted(&self) -> bool {
        match self.inner() {
            Some(inner) => inner.is_aborted(),
            None => true,
        }
    }

    /// The peer has thrown the connection away, and somebody has been told.
    fn is_reset(&self) -> bool {
        self.sk().error() == 0 && self.inner().is_some_and(|it| it.is_aborted())
    }

    /// Waits for an attempt to connect to end, for at most `timeout` jiffies; the error if that is
    /// not long enough.
    pub(super) fn wait_connected(&self, timeout: c_long) -> Option<c_int> {
        let sk = self.sk();
        let left = sk.wait(timeout, false, super::binding::is_not_connecting);
        if sk.error() != 0 {
            return Some(as_tcp(sk.take_error()));
        }
        match left {
            0 => Some(EAGAIN),
            left if has_signal() => Some(interrupted(left)),
            _ => None,
        }
    }

    /// What `TCP_CORK` has kept back goes all the same. TCP waits for 200 ms before; a byte that
    /// is sent too early is no broken promise, and one that is never sent is.
    fn send_corked(&self) {
        if self.is_unsent() && self.is_corked() {
            self.send_now();
        }
    }
}
