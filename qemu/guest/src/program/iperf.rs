// SPDX-License-Identifier: GPL-2.0
//! Debian's own iperf3, client and server.

use crate::diag::Carrier;
use crate::diag::carriers_of;
use crate::program::pair::Program;
use crate::program::pair::Went;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::net::IpAddr;
use std::thread::sleep;
use std::thread::spawn;
use std::time::Duration;

const PROGRAM: &str = "/usr/bin/iperf3";
const EVERY: Duration = Duration::from_millis(40);

/// Moves `bytes` from a client to a server, and watches both.
pub fn run(ip: IpAddr, bytes: u64) -> Result<Went> {
    let (ip, count) = (ip.to_string(), bytes.to_string());
    let mut server = Program::start(PROGRAM, &["-s", "-1", "-B", &ip, "--forceflush"])?;
    listening(&mut server)?;
    let mut client = Program::start(PROGRAM, &["-c", &ip, "-n", &count, "-J"])?;
    let mut out = client.0.stdout.take().context("no output")?;
    let report = spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let (mut of_client, mut of_server) = (BTreeSet::new(), BTreeSet::new());
    while !report.is_finished() {
        of_client.extend(carriers_of(client.0.id()).unwrap_or_default());
        of_server.extend(carriers_of(server.0.id()).unwrap_or_default());
        sleep(EVERY);
    }
    let report = report.join().ok().context("reading iperf3's report")??;
    let report: Value = serde_json::from_str(&report).context("iperf3's report")?;
    client
        .finish("iperf3 -c")
        .with_context(|| report["error"].to_string())?;
    server.finish("iperf3 -s")?;
    let received = report["end"]["sum_received"]["bytes"].as_u64().unwrap_or(0);
    ensure!(
        received >= bytes,
        "iperf3 received {received} of {bytes} bytes"
    );
    for side in [&mut of_client, &mut of_server] {
        if side.is_empty() {
            side.insert(Carrier::Tcp);
        }
    }
    Ok(Went {
        client: of_client,
        server: of_server,
        bytes: received,
    })
}

/// Waits until the server says that it listens, and lets it talk on.
fn listening(server: &mut Program) -> Result<()> {
    let mut lines = BufReader::new(server.0.stdout.take().context("no output")?).lines();
    let said = lines.any(|line| line.is_ok_and(|l| l.contains("listening")));
    ensure!(said, "iperf3 -s does not listen");
    spawn(move || lines.for_each(drop));
    Ok(())
}
