// SPDX-License-Identifier: GPL-2.0
//! memcached with the tools of libmemcached.

use super::Run;
use super::Server;
use super::Trial;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::write;

const PORT: u16 = 11211;

/// The trial.
pub const MEMCACHED: Trial = Trial {
    name: "memcached",
    package: "memcached",
    steady: true,
    server,
    client,
};

fn server(run: &Run) -> Result<Vec<Server>> {
    let words = ["memcached", "-u", "root", "-l", "0.0.0.0"];
    Ok(vec![run.serve(&words, PORT)?])
}

fn client(run: &Run) -> Result<String> {
    let servers = format!("--servers={}", run.at(PORT));
    let blob: String = (0..100_000).map(|i| format!("{i:07}\n")).collect();
    write(within("/tmp/blob"), &blob).context("/tmp/blob")?;
    run.ask(&["memccp", &servers, "/tmp/blob"])?;
    let got = run.ask(&["memccat", &servers, "blob"])?;
    ensure!(
        got.trim_end() == blob.trim_end(),
        "not the bytes that were sent"
    );
    let load = ["--concurrency=4", "--execute-number=200", "--test=get"];
    run.ask(&[&["memcslap", &servers], load.as_slice()].concat())?;
    Ok(format!(
        "{} bytes as they were sent, and no error",
        blob.len()
    ))
}
