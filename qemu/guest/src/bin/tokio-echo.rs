// SPDX-License-Identifier: GPL-2.0
//! A server on tokio that gives back what comes, and a client that compares every byte. They
//! know nothing of what carries them.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;
use rand_xoshiro::rand_core::SeedableRng;
use std::process::ExitCode;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::copy;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const USAGE: &str = "usage: tokio-echo server ADDRESS:PORT
       tokio-echo client ADDRESS:PORT CONNECTIONS ROUNDS BYTES";

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["server", at] => serve(at).await,
        ["client", at, connections, rounds, bytes] => ask(at, connections, rounds, bytes).await,
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tokio-echo: {e:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(at: &str) -> Result<()> {
    let listener = TcpListener::bind(at).await.context("bind")?;
    loop {
        let (mut stream, _) = listener.accept().await.context("accept")?;
        tokio::spawn(async move {
            let (mut from, mut to) = stream.split();
            // A client that goes away misses nothing.
            let _ = copy(&mut from, &mut to).await;
        });
    }
}

async fn ask(at: &str, connections: &str, rounds: &str, bytes: &str) -> Result<()> {
    let (connections, rounds, size): (u64, usize, usize) =
        match (connections.parse(), rounds.parse(), bytes.parse()) {
            (Ok(connections), Ok(rounds), Ok(size)) => (connections, rounds, size),
            _ => bail!("{USAGE}"),
        };
    let mut all = JoinSet::new();
    for seed in 0..connections {
        all.spawn(one(at.to_owned(), seed, rounds, size));
    }
    for ended in all.join_all().await {
        ended?;
    }
    println!("{connections} times {rounds} times {size} bytes came back");
    Ok(())
}

/// One connection: sends and receives at once, round after round.
async fn one(at: String, seed: u64, rounds: usize, size: usize) -> Result<()> {
    let mut stream = TcpStream::connect(&at).await.context("connect")?;
    let (mut from, mut to) = stream.split();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (mut sent, mut received) = (vec![0; size], vec![0; size]);
    for _ in 0..rounds {
        random.fill_bytes(&mut sent);
        let (written, read) = tokio::join!(to.write_all(&sent), from.read_exact(&mut received));
        written.context("write")?;
        read.context("read")?;
        ensure!(sent == received, "not the bytes that were sent");
    }
    Ok(())
}
