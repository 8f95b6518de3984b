// SPDX-License-Identifier: GPL-2.0

//! Receiving: the end of a connection is one in order, or an error.
//!
//! Logic. What TCP promises: `recv(2)` "When a stream socket peer has performed an orderly
//! shutdown, the return value will be 0", and `tcp(7)` an error if the connection has not ended so.
//! SMC returns 0 for both, or `ENOTCONN` (`docs/smc-findings.md`).

use kernel::prelude::*;

use super::errno::{
    as_tcp,
    EAGAIN,
    ECONNABORTED,
    EINVAL,
    ENOTCONN, //
};
use super::socket::flags::{
    DONT_WAIT,
    ERROR_QUEUE,
    OOB, //
};
use super::socket::{
    State,
    Stream,
    Use,
    RECEIVING, //
};

impl Stream {
    /// What to say of `answer`, which SMC gives to `recv(2)`, or with `pipe` to `splice(2)`, for
    /// `wanted` bytes; `None` if it is to be tried again.
    ///
    /// # Errors
    ///
    /// - `ECONNRESET`: the peer has thrown the connection away, or its link has broken; said once,
    ///   after all bytes that SMC still gives out, and 0 from then on.
    /// - `EAGAIN` also while it is being connected, and of an empty `MSG_ERRQUEUE`.
    ///
    /// Context: process context, may sleep.
    pub fn received(&self, answer: isize, wanted: usize, flags: c_int) -> Option<isize> {
        if answer > 0 || wanted == 0 || flags & OOB != 0 || self.fell_back() {
            return Some(answer);
        }
        if flags & ERROR_QUEUE != 0 {
            return Some(match answer == EINVAL as isize {
                true => EAGAIN as isize,
                false => answer,
            });
        }
        let state = self.sk().state();
        if answer == 0 {
            return Some(self.end() as isize);
        }
        if answer != ENOTCONN as isize {
            return Some(as_tcp(answer as c_int) as isize);
        }
        match (state, self.used()) {
            // A connect(2) that did not wait leaves it connecting, whatever came of that.
            (State::Closed, Use::Connected | Use::Connecting) => Some(self.end() as isize),
            (State::Init, Use::Connecting) => {
                let timeout = self.sk().receive_timeout(flags & DONT_WAIT != 0);
                self.wait_connected(timeout).map(|error| error as isize)
            }
            _ => Some(answer),
        }
    }

    /// There is nothing more to receive: 0, or once the error that says why.
    fn end(&self) -> c_int {
        let sk = self.sk();
        let in_order = match self.inner() {
            // What comes after such an end takes nothing of it back.
            Some(inner) => inner.has_ended(),
            // A link that breaks does not shut this direction.
            None => sk.error() == -ECONNABORTED && sk.shut() & RECEIVING != 0,
        };
        match in_order {
            true => 0,
            false => as_tcp(sk.take_error()),
        }
    }
}
