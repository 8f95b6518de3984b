// SPDX-License-Identifier: GPL-2.0
//! redis-server with redis-benchmark and redis-cli.

use super::Run;
use super::Server;
use super::Trial;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::read_to_string;
use std::fs::write;

const PORT: u16 = 6379;

/// The trial. What comes out is Redis's own digest of all data in the end.
pub const REDIS: Trial = Trial {
    name: "redis",
    package: "redis-server",
    steady: true,
    server,
    client,
};

fn server(run: &Run) -> Result<Vec<Server>> {
    let port = PORT.to_string();
    let words = [
        "redis-server",
        "--port",
        &port,
        "--bind",
        "0.0.0.0",
        "--protected-mode",
        "no",
        "--save",
        "",
        "--enable-debug-command",
        "yes",
    ];
    Ok(vec![run.serve(&words, PORT)?])
}

fn client(run: &Run) -> Result<String> {
    let blob: String = (0..100_000).map(|i| format!("{i:07}\n")).collect();
    write(within("/tmp/blob"), &blob).context("/tmp/blob")?;
    let at = format!("-h {} -p {PORT}", run.host());
    let script = format!(
        "redis-benchmark {at} -q -c 5 -n 100 -d 1000 -r 200 --seed 1 -t set,get,lpush >/tmp/said \
         && redis-cli {at} -x SET blob </tmp/blob && redis-cli {at} GET blob >/tmp/got \
         && redis-cli {at} DEBUG DIGEST && redis-cli {at} INFO stats | grep ^total_error_replies:"
    );
    let said = run.ask(&["sh", "-c", &script])?;
    let got = read_to_string(within("/tmp/got")).context("/tmp/got")?;
    ensure!(
        got.trim_end() == blob.trim_end(),
        "not the bytes that were sent"
    );
    Ok(said.split_whitespace().collect::<Vec<_>>().join(" "))
}
