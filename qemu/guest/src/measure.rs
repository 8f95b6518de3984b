// SPDX-License-Identifier: GPL-2.0
//! What is said of a measurement: by the guest to the program that is measured, by that
//! program to the guest, and by the guest to the lab.

use serde::Deserialize;
use serde::Serialize;

/// What the lab finds a [`Measured`] behind, in what `guest bench` prints.
pub const MEASURED: &str = "bench: ";

/// What is done, many times.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub enum Operation {
    /// `socket()` and `close()`.
    Socket,
    /// The same of two sockets between which a connection is made, a byte sent each way.
    Connect,
    /// 64 KiB sent in one `write()`, and received by another thread.
    Stream,
    /// 64 bytes sent to another thread and back.
    Ping,
    /// `socket()`, `connect()` to where nobody listens, and `close()`.
    Refused,
}

/// What the program is to do, and by which sockets.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Order {
    pub operation: Operation,
    pub domain: i32,
    pub kind: i32,
    pub protocol: i32,
    /// Whether each socket is made SMC by `TCP_ULP`.
    pub ulp: bool,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    /// What an operation took, in nanoseconds of the guest, by batches.
    pub each: Vec<f64>,
    /// What a socket says of itself: `SO_DOMAIN`, `SO_PROTOCOL`.
    pub domain: i32,
    pub protocol: i32,
    /// What carried the connection, if there was one: `TCP`, `SMC-D`, …
    pub carrier: Option<String>,
}

/// One number of the bench.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Measured {
    pub row: String,
    pub column: String,
    /// Nanoseconds, which are instructions where the guest's clock counts those; or bytes, by
    /// the row.
    pub value: f64,
}
