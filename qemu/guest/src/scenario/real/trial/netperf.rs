// SPDX-License-Identifier: GPL-2.0
//! netperf: a stream, requests over one connection, and a connection for each request.

use super::Run;
use super::Trial;
use anyhow::Result;

const PORT: u16 = 12865;

/// The trial.
pub const NETPERF: Trial = Trial {
    name: "netperf",
    package: "netperf",
    steady: false,
    server: |run| Ok(vec![run.serve(&["netserver", "-D", "-4"], PORT)?]),
    client,
};

fn client(run: &Run) -> Result<String> {
    let host = run.host();
    for test in ["TCP_STREAM", "TCP_MAERTS", "TCP_RR", "TCP_CRR"] {
        run.ask(&["netperf", "-4", "-H", &host, "-l", "1", "-t", test])?;
    }
    Ok("no error".into())
}
