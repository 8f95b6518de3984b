// SPDX-License-Identifier: GPL-2.0
//! redis-server with redis-benchmark and redis-cli.

use super::Run;
use super::Server;
use super::Trial;
use crate::programs::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
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
    let (host, port) = (run.host(), PORT.to_string());
    let at = ["-h", &host, "-p", &port];
    let load = "-q -c 5 -n 100 -d 1000 -r 200 --seed 1 -t set,get,lpush";
    let load: Vec<&str> = load.split(' ').collect();
    run.ask(&[&["redis-benchmark"], at.as_slice(), &load].concat())?;
    let blob: String = (0..200_000).map(|i| format!("{i} ")).collect();
    write(within("/tmp/blob"), &blob).context("/tmp/blob")?;
    let set = format!("redis-cli -h {host} -p {port} -x SET blob </tmp/blob");
    run.ask(&["sh", "-c", &set])?;
    let cli = |words: &[&str]| run.ask(&[&["redis-cli"], at.as_slice(), words].concat());
    ensure!(
        cli(&["GET", "blob"])?.trim_end() == blob.trim_end(),
        "not the bytes that were sent"
    );
    let stats = cli(&["INFO", "stats"])?;
    let errors = stats
        .lines()
        .find(|it| it.starts_with("total_error_replies:"));
    let digest = cli(&["DEBUG", "DIGEST"])?;
    Ok(format!(
        "digest {}, {}",
        digest.trim(),
        errors.unwrap_or_default().trim()
    ))
}
