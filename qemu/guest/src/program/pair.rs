// SPDX-License-Identifier: GPL-2.0
//! Two programs that talk to each other, and what carries their bytes meanwhile.

use crate::diag::Carrier;
use crate::diag::carriers_of;
use crate::kernel::module::is_loaded;
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

/// Where it is in the guest.
pub const PROGRAM: &str = "/bin/transfer";
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

    /// The lines of its output, as they come, and when that was.
    pub fn lines(&mut self) -> Result<Receiver<(Instant, String)>> {
        let out = self.0.stdout.take().context("output taken already")?;
        let (sender, receiver) = channel();
        spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// Closes its standard input and expects it to end well.
    pub fn finish(mut self, name: &str) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        ensure!(status.success(), "{name}: {status}");
        Ok(())
    }
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T> {
    serde_json::from_str(line).with_context(|| format!("not what transfer prints: {line:?}"))
}

/// One of the two programs `transfer`, while it runs.
pub struct End {
    program: Program,
    lines: Receiver<(Instant, String)>,
    bytes: u64,
    seen: BTreeSet<Carrier>,
    begun: Instant,
    /// What it said when everything had gone, and how long after its start.
    side: Option<(Side, Duration)>,
}

impl End {
    fn start(side: &str, form: &str, at: SocketAddr, bytes: u64) -> Result<Self> {
        let arguments = [side, &at.to_string(), &bytes.to_string(), form, "hold"];
        let mut program = Program::start(PROGRAM, &arguments)?;
        Ok(Self {
            lines: program.lines()?,
            program,
            bytes,
            seen: BTreeSet::new(),
            begun: Instant::now(),
            side: None,
        })
    }

    /// Starts a client of the server at `at`, which may be in another guest.
    pub fn client(form: &str, at: SocketAddr, bytes: u64) -> Result<Self> {
        Self::start("client", form, at, bytes)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.program.0.id()
    }

    /// Looks at what carries its connection, and for what it says. True: everything has gone.
    pub fn look(&mut self, patience: Duration) -> Result<bool> {
        // Without smc.ko there is no SMC socket, and nobody to ask.
        if is_loaded("smc_diag") {
            self.seen.extend(carriers_of(self.pid())?);
        }
        if self.side.is_none() {
            match self.lines.recv_timeout(patience) {
                Ok((at, line)) => {
                    self.side = Some((parsed(&line)?, at.saturating_duration_since(self.begun)))
                }
                Err(RecvTimeoutError::Disconnected) => bail!("a program ended early"),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(self.side.is_some())
    }

    /// Watches until everything has gone. It holds its connection still: no transfer is too
    /// short to be seen.
    pub fn watch(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !self.look(EVERY)? {
            ensure!(
                begun.elapsed() < PATIENCE,
                "the transfer has come to a stop"
            );
        }
        self.look(EVERY).map(drop)
    }

    /// How long it took from its start until everything had gone.
    pub fn took(&self) -> Result<Duration> {
        let side = self.side.as_ref().context("not everything has gone")?;
        Ok(side.1)
    }

    /// Has it close its connection and end well; says what carried that.
    pub fn finish(self) -> Result<BTreeSet<Carrier>> {
        self.program.finish("transfer")?;
        let (side, _) = self.side.context("a program was not watched to its end")?;
        let all = (self.bytes, self.bytes);
        let moved = (side.sent, side.received);
        ensure!(moved == all, "not all has gone: {side:?}");
        let mut seen = self.seen;
        if seen.is_empty() {
            // What SMC_DIAG never knew was TCP.
            seen.insert(Carrier::Tcp);
        }
        Ok(seen)
    }
}

/// A server of `transfer` that waits for its client.
pub struct Server {
    end: End,
    address: SocketAddr,
    form: &'static str,
}

impl Server {
    /// Starts it, on a port of its own choice.
    pub fn start(form: &'static str, ip: IpAddr, bytes: u64) -> Result<Self> {
        let end = End::start("server", form, SocketAddr::new(ip, 0), bytes)?;
        let (_, line) = end
            .lines
            .recv_timeout(PATIENCE)
            .context("the server does not listen")?;
        let Listening { listening } = parsed(&line)?;
        Ok(Self {
            end,
            address: listening,
            form,
        })
    }

    /// Where it listens, and itself, for a client in another guest.
    pub fn listening(self) -> (SocketAddr, End) {
        (self.address, self.end)
    }

    /// Starts a client, and watches both until each has received all there is.
    pub fn serve(self) -> Result<Went> {
        let (bytes, mut server) = (self.end.bytes, self.end);
        let mut client = End::client(self.form, self.address, bytes)?;
        let begun = Instant::now();
        while !(client.look(EVERY)? & server.look(EVERY)?) {
            ensure!(
                begun.elapsed() < PATIENCE,
                "the transfer has come to a stop"
            );
        }
        client.watch()?;
        server.watch()?;
        Ok(Went {
            client: client.finish()?,
            server: server.finish()?,
            bytes,
        })
    }
}

impl Went {
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
