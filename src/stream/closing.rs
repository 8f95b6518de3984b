// SPDX-License-Identifier: GPL-2.0

//! Closing: at once, and without losing what has been accepted.
//!
//! Logic. What TCP promises: `close(2)` and `shutdown(2)` return at once, whoever calls them, also
//! the end of a program; the kernel goes on sending; and who looks on from the other end gets all
//! bytes and then an end, or an error. `SO_LINGER` of `socket(7)`: 0 throws the connection away, a
//! time makes `close(2)` wait. SMC waits up to two seconds, not at all if the program ends, and
//! then has the end overtake the data (`docs/smc-findings.md`).
//!
//! So SMC's own closing is called when nothing is unsent any more. Until then the connection is
//! kept by a [`Later`], as TCP keeps its orphans.

use kernel::prelude::*;

use super::errno::{
    EINVAL,
    ENOBUFS,
    ENOTCONN, //
};
use super::later::Later;
use super::socket::{
    has_signal,
    is_exiting,
    State,
    Stream,
    RECEIVING,
    SENDING, //
};

/// `SHUT_RD` of `include/linux/net.h`.
const SHUT_RD: c_int = 0;
/// `SHUT_WR`.
pub const SHUT_WR: c_int = 1;
/// `SHUT_RDWR`.
const SHUT_RDWR: c_int = 2;

impl Stream {
    /// `close(2)`: the last user of the socket has gone. The answer is nobody's.
    ///
    /// Context: process context, may sleep; not for long, but for `SO_LINGER`.
    pub fn close(&self) -> c_int {
        let sk = self.sk();
        let Some(inner) = self.inner().filter(|_| {
            // A worker that closes has waited already.
            self.has_file() && !self.fell_back() && is_connected(sk.state())
        }) else {
            return self.smc_release();
        };
        match sk.linger() {
            Some(0) => {
                self.abort();
                return self.smc_release();
            }
            Some(time) if self.is_unsent() && !is_exiting() => self.linger(time),
            _ => (),
        }
        // Over RDMA the end is an exchange with the peer, which may be dead.
        if (self.is_unsent() || inner.is_rdma()) && Later::close(self).is_ok() {
            return 0;
        }
        if self.is_unsent() {
            self.abort();
        }
        self.smc_release()
    }

    /// `shutdown(2)`.
    ///
    /// # Errors
    ///
    /// - `ENOTCONN`: it is not connected, nor a listener.
    /// - `EINVAL`: `how` is none of the three.
    /// - `ENOBUFS`: there is no memory, or [too many](Later) have bytes unsent; nothing is done.
    ///
    /// Context: process context, may sleep; not for long.
    pub fn shutdown(&self, how: c_int) -> c_int {
        if !(SHUT_RD..=SHUT_RDWR).contains(&how) {
            return EINVAL;
        }
        if self.fell_back() {
            return self.smc_shutdown(how);
        }
        let sk = self.sk();
        if sk.state() == State::Listen {
            return self.shutdown_listener(how);
        }
        if how != SHUT_RD && self.is_unsent() {
            // Whoever has done so before has seen to the rest.
            if sk.shut() & SENDING == 0 && Later::shutdown(self).is_err() {
                return ENOBUFS;
            }
            sk.locked(|| {
                sk.shut_down(how + 1);
                self.set_disconnecting();
            });
            return 0;
        }
        // Of both at once SMC makes a close, and of a close with bytes unread a reset.
        let answer = self.smc_shutdown(how.min(SHUT_WR));
        if answer == 0 {
            // SMC wakes nobody who is about to receive.
            sk.locked(|| sk.shut_down(how + 1));
        }
        answer
    }

    /// A listener is none any more: who sleeps in `accept(2)` is told `EINVAL`.
    fn shutdown_listener(&self, how: c_int) -> c_int {
        if how == SHUT_WR {
            return 0;
        }
        let Some(answer) = self.shutdown_tcp() else {
            return ENOTCONN;
        };
        let sk = self.sk();
        sk.locked(|| sk.shut_down(RECEIVING));
        answer
    }

    /// Waits until nothing is unsent, for at most `time` jiffies, or for a signal.
    fn linger(&self, time: c_ulong) {
        let mut left = time as c_long;
        while left > 0 && self.is_unsent() && !has_signal() {
            left = self.wait_moment(left);
        }
    }

    /// Whoever closes the connection from now on throws it away: the peer will be told so, and what
    /// is unsent is lost.
    pub(super) fn abort(&self) {
        if let Some(inner) = self.inner() {
            let sk = self.sk();
            sk.locked(|| {
                inner.pretend_unread();
                sk.do_not_linger();
            });
        }
    }

    /// Whether there is something left that can still be sent.
    pub(super) fn is_unsent(&self) -> bool {
        let sk = self.sk();
        matches!(sk.state(), State::Active | State::AppCloseWait1)
            && sk.error() == 0
            && self
                .inner()
                .is_some_and(|it| it.has_unsent() && !it.is_aborted())
    }
}

/// There is a connection that the peer may know.
fn is_connected(state: State) -> bool {
    !matches!(state, State::Init | State::Listen | State::Closed)
}
