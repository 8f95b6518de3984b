// SPDX-License-Identifier: GPL-2.0

//! Binding an address, connecting, listening, accepting.
//!
//! Logic. SMC copies the options of its socket to the TCP socket inside it when that connects or
//! listens, but not all that matter there: not the time of `SO_LINGER`, whose flag alone makes each
//! close of that socket a reset, nor the device of `SO_BINDTODEVICE` before `bind(2)`. Nor does it know
//! that a listener can be shut, or that a connection that was refused can be tried again.

use kernel::prelude::*;

use super::errno::{
    EAGAIN,
    EINVAL, //
};
use super::socket::{
    has_signal,
    interrupted,
    State,
    Stream,
    RECEIVING, //
};

/// `O_NONBLOCK` of `include/uapi/asm-generic/fcntl.h`, which no architecture with SMC has
/// otherwise.
pub const NON_BLOCKING: c_int = 0o4000;

impl Stream {
    /// Before `bind(2)`.
    ///
    /// Context: process context, may sleep.
    pub fn before_bind(&self) {
        if !self.fell_back() && self.sk().state() == State::Init {
            self.bind_tcp_like_this();
        }
    }

    /// Before `connect(2)`. A connection that was refused can be tried again, as with TCP: once
    /// the error has been said, or `ECONNABORTED` in its place.
    ///
    /// Context: process context, may sleep.
    pub fn before_connect(&self) {
        if self.fell_back() {
            return;
        }
        let sk = self.sk();
        sk.locked(|| {
            let inner = self.inner().filter(|_| sk.state() == State::Closed);
            // What has been connected says that it connects no more.
            if inner.is_some_and(|it| it.stop_connecting()) {
                if sk.take_error() == 0 {
                    self.forget_tcp_error();
                }
                sk.set_init();
                self.set_unconnected();
            }
        });
        self.make_tcp_resemble();
    }

    /// `listen(2)`.
    ///
    /// # Errors
    ///
    /// SMC's.
    ///
    /// Context: process context, may sleep.
    pub fn listen(&self, backlog: c_int) -> c_int {
        if self.fell_back() {
            return self.smc_listen(backlog);
        }
        self.make_tcp_resemble();
        let sk = self.sk();
        if sk.state() != State::Listen || sk.shut() & RECEIVING == 0 {
            return self.smc_listen(backlog);
        }
        // It has been shut: its TCP socket listens no more.
        let answer = self.listen_tcp(backlog).unwrap_or(EINVAL);
        if answer == 0 {
            sk.locked(|| sk.reopen());
        }
        answer
    }

    /// `accept(2)`, by `try_once`, which must not wait.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: it does not listen, or has been shut while the call waited.
    /// - `EAGAIN`, `EINTR`, and what the connection ended with before it was accepted.
    ///
    /// Context: process context, may sleep.
    pub fn accept(&self, flags: c_int, mut try_once: impl FnMut(c_int) -> c_int) -> c_int {
        let Some(inner) = self.inner().filter(|_| !self.fell_back()) else {
            return try_once(flags);
        };
        let sk = self.sk();
        let mut timeout = sk.receive_timeout(flags & NON_BLOCKING != 0);
        loop {
            if sk.shut() & RECEIVING != 0 {
                return EINVAL;
            }
            // SMC itself waits for the data that TCP_DEFER_ACCEPT is about.
            let waits = inner.has_accepted() && inner.defers_accept();
            match try_once(if waits { flags } else { flags | NON_BLOCKING }) {
                EAGAIN if timeout != 0 => (),
                answer => return answer,
            }
            timeout = sk.wait(timeout, true, super::binding::has_accepted);
            if has_signal() && !inner.has_accepted() {
                return interrupted(timeout);
            }
        }
    }

    /// After `accept(2)` of a connection of `listener`, also of one that has fallen back: nobody
    /// has the file yet.
    ///
    /// Context: process context, may sleep.
    pub fn after_accept(&self, listener: &Self) {
        self.linger_like(listener);
        self.make_tcp_resemble();
    }
}
