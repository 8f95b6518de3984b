// SPDX-License-Identifier: GPL-2.0

//! Polling: the events that TCP would show.
//!
//! Logic. C source: `tcp_poll()` of `net/ipv4/tcp.c`.

use super::socket::events::{
    HANGUP,
    READABLE,
    READ_HANGUP,
    WRITABLE, //
};
use super::socket::{
    State,
    Stream,
    Use,
    RECEIVING, //
};

impl Stream {
    /// The events of a socket of which SMC says `events`.
    ///
    /// - New: to be written to, and hung up.
    /// - Connection refused, broken, or closed on both sides: everything, as whatever is tried
    ///   will not wait.
    /// - A listener that has been shut: as a new one.
    ///
    /// Context: process context; does not sleep.
    pub fn events(&self, events: u32) -> u32 {
        if self.fell_back() {
            return events;
        }
        match (self.sk().state(), self.used()) {
            (State::Init, Use::Unconnected) => events | WRITABLE | HANGUP,
            (State::Listen, _) if self.sk().shut() & RECEIVING != 0 => WRITABLE | HANGUP,
            (State::Closed | State::ProcessAbort, _) => {
                events | READABLE | WRITABLE | HANGUP | READ_HANGUP
            }
            _ => events,
        }
    }
}
