// SPDX-License-Identifier: GPL-2.0
//! Two programs that talk to each other, and what carries their bytes meanwhile.

use crate::diag::Carrier;
use crate::diag::carriers_of;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;
use std::time::Instant;

/// The forms in which `transfer` makes its calls.
pub const FORMS: [&str; 3] = ["blocking", "epoll", "io_uring"];

const PROGRAM: &str = "/bin/transfer";
/// Longer than any transfer takes, shorter than a lab's patience.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(40);

#[derive(Deserialize)]
struct Listening {
    listening: SocketAddr,
}

/// What a side says at its end.
#[derive(Debug, Deserialize, PartialEq)]
struct Side {
    sent: u64,
    received: u64,
    sum: String,
}

/// How a transfer went.
#[derive(Debug)]
pub struct Went {
    /// What carried the client's connection, at any time.
    pub client: BTreeSet<Carrier>,
    /// The same of the server's.
    pub server: BTreeSet<Carrier>,
    /// What each of them has sent and received.
    pub bytes: u64,
}

/// A process that is gone when this is.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// Starts a program whose standard input stays open and whose output is read.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Ok(Self(
            child.with_context(|| format!("cannot run {program}"))?,
        ))
    }

    fn output(&mut self) -> Result<BufReader<ChildStdout>> {
        let out = self.0.stdout.take().context("output taken already")?;
        Ok(BufReader::new(out))
    }

    /// Closes its standard input and expects it to end well.
    pub fn finish(mut self, name: &str) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        ensure!(status.success(), "{name}: {status}");
        Ok(())
    }
}

/// The lines of a reader, as they come.
fn lines(reader: BufReader<ChildStdout>) -> Receiver<String> {
    let (sender, receiver) = channel();
    spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T> {
    serde_json::from_str(line).with_context(|| format!("not what transfer prints: {line:?}"))
}

/// A server of `transfer` that waits for its client.
pub struct Server {
    program: Program,
    lines: Receiver<String>,
    address: SocketAddr,
    form: &'static str,
    bytes: u64,
}

impl Server {
    /// Starts it, on a port of its own choice.
    pub fn start(form: &'static str, ip: IpAddr, bytes: u64) -> Result<Self> {
        let at = SocketAddr::new(ip, 0).to_string();
        let arguments = ["server", &at, &bytes.to_string(), form, "hold"];
        let mut program = Program::start(PROGRAM, &arguments)?;
        let lines = lines(program.output()?);
        let line = lines
            .recv_timeout(PATIENCE)
            .context("the server does not listen")?;
        let Listening { listening } = parsed(&line)?;
        Ok(Self {
            program,
            lines,
            address: listening,
            form,
            bytes,
        })
    }

    /// Starts a client, and watches both until each has received all there is.
    pub fn serve(self) -> Result<Went> {
        let (at, bytes) = (self.address.to_string(), self.bytes.to_string());
        let arguments = ["client", &at, &bytes, self.form, "hold"];
        let mut client = Program::start(PROGRAM, &arguments)?;
        let client_lines = lines(client.output()?);
        let mut went = Went {
            client: BTreeSet::new(),
            server: BTreeSet::new(),
            bytes: self.bytes,
        };
        let (pids, begun) = ((client.0.id(), self.program.0.id()), Instant::now());
        let mut ends = Vec::new();
        for lines in [&client_lines, &self.lines] {
            let line = loop {
                went.client.extend(carriers_of(pids.0)?);
                went.server.extend(carriers_of(pids.1)?);
                match lines.recv_timeout(EVERY) {
                    Ok(line) => break line,
                    Err(RecvTimeoutError::Disconnected) => bail!("a program ended early"),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                ensure!(
                    begun.elapsed() < PATIENCE,
                    "the transfer has come to a stop"
                );
            };
            ends.push(parsed::<Side>(&line)?);
        }
        // Both hold their connection still: no transfer is too short to be seen.
        went.client.extend(carriers_of(pids.0)?);
        went.server.extend(carriers_of(pids.1)?);
        client.finish("client")?;
        self.program.finish("server")?;
        for end in &ends {
            let all = (self.bytes, self.bytes);
            ensure!((end.sent, end.received) == all, "not all has gone: {end:?}");
        }
        went.plain_if_unseen();
        Ok(went)
    }
}

impl Went {
    /// What SMC_DIAG never knew was TCP.
    fn plain_if_unseen(&mut self) {
        for side in [&mut self.client, &mut self.server] {
            if side.is_empty() {
                side.insert(Carrier::Tcp);
            }
        }
    }

    /// Fails unless these alone carried the two sides.
    pub fn carried(&self, client: Carrier, server: Carrier) -> Result<()> {
        for (name, expected, seen) in [
            ("client", client, &self.client),
            ("server", server, &self.server),
        ] {
            let seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
            ensure!(
                seen == [expected.to_string()],
                "the {name} ran over {}, not {expected}",
                seen.join(", then ")
            );
        }
        Ok(())
    }
}

/// A client and a server in `form` at `ip`, `bytes` each way.
pub fn transfer(form: &'static str, ip: IpAddr, bytes: u64) -> Result<Went> {
    Server::start(form, ip, bytes)?.serve()
}
