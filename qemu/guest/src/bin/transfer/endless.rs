// SPDX-License-Identifier: GPL-2.0
//! A connection that goes on until standard input ends or something breaks it: full of bytes
//! both ways, or quiet. How it ended is told, whatever it is.

use crate::Job;
use crate::connected;
use crate::pattern::BLOCK;
use crate::pattern::Expected;
use crate::pattern::Source;
use anyhow::Context;
use anyhow::Result;
use serde_json::json;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::spawn;

/// So many bytes have come when a connection counts as under way.
const UNDER_WAY: u64 = 128 << 10;
/// What is offered to the kernel at a time.
const STEP: usize = 16 << 10;

/// Whether standard input has ended.
static STOP: AtomicBool = AtomicBool::new(false);

/// Runs one side, and prints how it went.
pub fn run(job: &Job, quiet: bool) -> Result<()> {
    let stream = connected(job)?;
    let sender = stream.try_clone()?;
    spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        STOP.store(true, Relaxed);
        if quiet {
            let _ = sender.shutdown(Shutdown::Write);
        }
    });
    if quiet {
        // The server has accepted, and each side knows it.
        (&stream).write_all(b"!").context("write")?;
        (&stream).read_exact(&mut [0]).context("read")?;
        println!("{}", json!({ "under_way": true }));
    }
    let (sent, received) = scope(|threads| {
        let sender = threads.spawn(|| match quiet {
            true => Flow::default(),
            false => send(&stream, job.source()),
        });
        let received = receive(&stream, job.expected(), quiet);
        (sender.join().unwrap_or_default(), received)
    });
    println!(
        "{}",
        json!({ "sent": sent.json(), "received": received.json() })
    );
    Ok(())
}

/// What became of one direction.
#[derive(Default)]
struct Flow {
    bytes: u64,
    /// The error that ended it, if one did.
    error: Option<std::io::Error>,
    /// What was wrong with the bytes.
    wrong: Option<String>,
}

impl Flow {
    fn json(&self) -> serde_json::Value {
        let errno = self.error.as_ref().and_then(|error| error.raw_os_error());
        json!({ "bytes": self.bytes, "errno": errno, "wrong": self.wrong })
    }
}

fn send(mut stream: &TcpStream, mut source: Source) -> Flow {
    let mut flow = Flow::default();
    while !STOP.load(Relaxed) {
        let block = source.next();
        match stream.write(&block[..block.len().min(STEP)]) {
            Ok(n) => {
                source.advance(n);
                flow.bytes += n as u64;
            }
            Err(error) => {
                flow.error = Some(error);
                return flow;
            }
        }
    }
    flow.error = stream.shutdown(Shutdown::Write).err();
    flow
}

fn receive(mut stream: &TcpStream, mut expected: Expected, quiet: bool) -> Flow {
    let (mut flow, mut buffer) = (Flow::default(), vec![0; BLOCK]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return flow,
            Ok(n) => {
                if let Err(wrong) = expected.take(&buffer[..n]) {
                    flow.wrong = Some(wrong.to_string());
                    return flow;
                }
                let before = flow.bytes;
                flow.bytes += n as u64;
                if !quiet && (before < UNDER_WAY) && flow.bytes >= UNDER_WAY {
                    println!("{}", json!({ "under_way": true }));
                }
            }
            Err(error) => {
                flow.error = Some(error);
                return flow;
            }
        }
    }
}
