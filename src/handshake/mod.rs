// SPDX-License-Identifier: GPL-2.0

//! The handshake hook: whether a SYN or a SYN-ACK carries the SMC option.
//!
//! Logic: puts the [`crate::rules`] and what [`crate::net`] knows of a connection together.
//! Without the option the peer sees ordinary TCP at once: neither side waits for the other to
//! decline. The kernel asks about SMC sockets only, on the host that connects before it sends the
//! SYN, and on the one that listens before it answers a SYN that had the option; in process
//! context or softirq, under RCU. Publishing and taking back may sleep.

mod judge;
mod publication;

pub use publication::Publication;
