// SPDX-License-Identifier: GPL-2.0
//! iperf3: one way, the other way, and four connections at once.

use super::Run;
use super::Trial;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

const PORT: u16 = 5201;
const BYTES: u64 = 16 << 20;
/// What a connection carries at a time. A server that receives counts no more once the client has
/// said, over the connection beside, that all is sent (`iperf_tcp_recv()` asks for
/// `TEST_RUNNING`): the last block of each may be on its way then, or half read.
const BLOCK: u64 = 128 << 10;

/// The trial. Each test has a connection of its own beside those for data.
pub const IPERF3: Trial = Trial {
    name: "iperf3",
    package: "iperf3",
    steady: true,
    server: |run| Ok(vec![run.serve(&["iperf3", "-s"], PORT)?]),
    client,
};

fn client(run: &Run) -> Result<String> {
    let (host, bytes) = (run.host(), BYTES.to_string());
    for (how, uncounted) in [(&[][..], 1), (&["-R"], 0), (&["-P", "4"], 4)] {
        let words = [&["iperf3", "-c", &host, "-n", &bytes, "-J"], how].concat();
        let said = run.ask(&words)?;
        let report: Value = serde_json::from_str(&said).context("iperf3's report")?;
        let sum = |name: &str| report["end"][name]["bytes"].as_u64().unwrap_or(0);
        let (sent, received) = (sum("sum_sent"), sum("sum_received"));
        ensure!(
            sent >= BYTES && received <= sent && sent - received <= uncounted * BLOCK,
            "{how:?}: {received} bytes were received of {sent}"
        );
    }
    Ok("all bytes were received, but for last blocks not counted".into())
}
