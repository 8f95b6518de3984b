// SPDX-License-Identifier: GPL-2.0
//! A server that is a real program: started, listening, ended as an administrator ends it.

use crate::kernel::until::until;
use crate::scenario::real::place;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::File;
use std::fs::read_to_string;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// How long one may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(20);

/// What a server says goes there, the last one's.
const LOG: &str = "/tmp/server.log";

/// A server under way; ended when dropped, if it has to be by force.
pub struct Server {
    child: Child,
    name: String,
}

impl Server {
    /// Starts it, and waits until somebody listens on `port`.
    pub fn start(mut command: Command, port: u16) -> Result<Self> {
        let name = format!("{command:?}");
        let log = File::create(within(LOG)).context(LOG)?;
        let both = log.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(both)
            .spawn();
        let child = child.with_context(|| format!("cannot run {name}"))?;
        let mut server = Self { child, name };
        until(&format!("a server on port {port}"), || {
            server.runs()?;
            listens(port)
        })
        .with_context(|| server.told())?;
        Ok(server)
    }

    /// Fails if it has ended by itself.
    fn runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("it has ended: {status}"),
            None => Ok(()),
        }
    }

    /// Asks it to end, and waits for that.
    fn end(&mut self) -> Result<()> {
        self.runs().with_context(|| self.told())?;
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "{} does not end", self.name);
            sleep(EVERY);
        }
        Ok(())
    }

    fn told(&self) -> String {
        let log = read_to_string(within(LOG)).unwrap_or_default();
        format!("{}: {}", self.name, place::end(&log))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|it| it.is_none()) && self.end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Ends servers, the last first. If the client was content, they have to be there still.
pub fn stop(mut servers: Vec<Server>, content: bool) -> Result<()> {
    while let Some(mut server) = servers.pop() {
        if content {
            server.end()?;
        }
    }
    Ok(())
}

/// Whether a TCP socket listens on `port`, one inside of an SMC socket for instance.
fn listens(port: u16) -> Result<bool> {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(read_to_string);
    for table in tables {
        let table = table.context("/proc/net/tcp")?;
        let listens = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            matches!(words[..], [_, local, _, LISTEN] if local.ends_with(&end))
        };
        if table.lines().any(listens) {
            return Ok(true);
        }
    }
    Ok(false)
}
