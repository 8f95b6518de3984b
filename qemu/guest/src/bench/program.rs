// SPDX-License-Identifier: GPL-2.0
//! The program that is measured, run from here.

use super::typical;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use guest::measure::Answer;
use guest::measure::Operation;
use guest::measure::Order;
use std::process::Command;
use std::process::Stdio;

const PROGRAM: &str = "/files/bench";
const PRELOAD: &str = "/files/libpreload.so";

/// What asks for TCP.
pub const TCP: Order = Order {
    operation: Operation::Socket,
    domain: libc::AF_INET,
    kind: libc::SOCK_STREAM,
    protocol: 0,
    ulp: false,
};

/// Runs the program with this order, and says what one operation took.
pub fn measure(order: &Order, expected: &Expected) -> Result<f64> {
    let answer = run(order, expected.preload)?;
    let found = (answer.domain, answer.protocol);
    let wanted = (expected.domain, expected.protocol);
    ensure!(
        found == wanted,
        "{order:?}: the socket is {found:?}, not {wanted:?}"
    );
    if let Some(carrier) = &answer.carrier {
        ensure!(
            carrier == expected.carrier,
            "{order:?}: it ran over {carrier}, not {}",
            expected.carrier
        );
    }
    Ok(typical(answer.each))
}

/// How it is run, and what its sockets are then.
pub struct Expected {
    /// Whether something is put between the program and the C library.
    pub preload: bool,
    /// `SO_DOMAIN`.
    pub domain: i32,
    /// `SO_PROTOCOL`.
    pub protocol: i32,
    /// What carries connections.
    pub carrier: &'static str,
}

fn run(order: &Order, preload: bool) -> Result<Answer> {
    let mut command = Command::new(PROGRAM);
    command.arg(serde_json::to_string(order)?);
    if preload {
        command.env("LD_PRELOAD", PRELOAD);
    }
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {PROGRAM}"))?;
    ensure!(output.status.success(), "{order:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{order:?}: no answer"))
}
