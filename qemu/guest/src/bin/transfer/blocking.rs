// SPDX-License-Identifier: GPL-2.0
//! Blocking calls, as most programs use them: std's own, and a thread to send.

use crate::Done;
use crate::Job;
use crate::connected;
use crate::pattern::BLOCK;
use crate::pattern::Expected;
use crate::pattern::Source;
use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::thread::scope;

/// Connects, and moves everything.
pub fn run(job: &Job) -> Result<Done> {
    let stream = connected(job)?;
    let mut expected = job.expected();
    scope(|threads| {
        let sender = threads.spawn(|| send(&stream, job.source()));
        receive(&stream, &mut expected)?;
        sender.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    let (received, sum) = expected.end();
    Ok(Done {
        stream,
        received,
        sum,
    })
}

fn send(mut stream: &TcpStream, mut source: Source) -> Result<()> {
    while !source.next().is_empty() {
        let n = stream.write(source.next()).context("write")?;
        source.advance(n);
    }
    stream.shutdown(Shutdown::Write).context("shutdown")
}

fn receive(mut stream: &TcpStream, expected: &mut Expected) -> Result<()> {
    let mut buffer = vec![0; BLOCK];
    loop {
        let n = stream.read(&mut buffer).context("read")?;
        if expected.take(&buffer[..n])? {
            return Ok(());
        }
    }
}
