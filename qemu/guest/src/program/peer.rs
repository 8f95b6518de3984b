// SPDX-License-Identifier: GPL-2.0
//! The other of two guests, over a line that does not depend on the network between them: a
//! port of virtio-serial, whose other end is the other guest's. Both run the same scenario;
//! this is how they agree on what comes next.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use guest::PEER_PORT;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::from_slice;
use serde_json::from_value;
use serde_json::to_value;
use serde_json::to_vec;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const PORTS: &str = "/sys/class/virtio-ports";
/// Longer than the other guest takes for anything, booting included. If it fails it says so,
/// and if it dies the port hangs up.
const PATIENCE: Duration = Duration::from_secs(180);
const EVERY: Duration = Duration::from_millis(20);

/// Open until this process ends: closing it would drop what lies in it.
static PORT: OnceLock<File> = OnceLock::new();

/// The other guest, in one scenario.
pub struct Peer {
    scenario: &'static str,
    node: u8,
    port: &'static File,
}

/// What goes over the port: a line of JSON.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    /// Lines of another scenario are left over from one that has failed.
    scenario: String,
    word: Word,
}

#[derive(Debug, Deserialize, Serialize)]
enum Word {
    /// Something to be heard.
    Said(Value),
    /// Waits where this stands in the scenario.
    At(String),
    /// Will say nothing more, for this reason.
    GaveUp(String),
}

/// The other guest does not run.
#[derive(Debug)]
struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other guest is gone")
    }
}

impl Error for Gone {}

impl Peer {
    /// Runs one guest's side of `scenario`. It ends when the other's has; if one fails, so does
    /// the other.
    pub fn with(scenario: &'static str, run: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let peer = Self::join(scenario)?;
        let ended = run(&peer).and_then(|()| peer.meet("the end"));
        if let Err(e) = &ended {
            // The error is the news, whether the other guest can hear it or not.
            let _ = peer.send(Word::GaveUp(format!("{e:#}")));
        }
        ended
    }

    fn join(scenario: &'static str) -> Result<Self> {
        let node = std::env::var("LAB_NODE").context("LAB_NODE: is this one of two guests?")?;
        let port = match PORT.get() {
            Some(port) => port,
            None => {
                let path = find()?;
                let opened = OpenOptions::new()
                    .read(true)
                    .write(true)
                    // What poll() finds can be over before it is read: the other end may come
                    // and go.
                    .custom_flags(libc::O_NONBLOCK)
                    .open(&path);
                let opened = opened.with_context(|| format!("cannot open {}", path.display()))?;
                PORT.get_or_init(|| opened)
            }
        };
        Ok(Self {
            scenario,
            node: node.parse().context("LAB_NODE")?,
            port,
        })
    }

    /// Which guest this is: 0 or 1.
    pub fn node(&self) -> u8 {
        self.node
    }

    /// Says something to the other guest, which has to [`hear`](Self::hear) it.
    pub fn tell(&self, what: &impl Serialize) -> Result<()> {
        self.send(Word::Said(to_value(what)?))
    }

    /// Waits for what the other guest says next.
    pub fn hear<T: DeserializeOwned>(&self) -> Result<T> {
        match self.receive()? {
            Word::Said(value) => {
                let text = value.to_string();
                from_value(value).with_context(|| format!("the other guest said {text}"))
            }
            word => bail!("the other guest was to say something, not {word:?}"),
        }
    }

    /// The same of a guest that may be booting, or may have to go down for it first.
    pub fn hear_booted<T: DeserializeOwned>(&self) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.hear() {
                Err(e) if e.is::<Gone>() && Instant::now() < deadline => sleep(EVERY),
                heard => return heard,
            }
        }
    }

    /// Waits until both guests are here; `place` names it, on both alike.
    pub fn meet(&self, place: &str) -> Result<()> {
        self.send(Word::At(place.into()))?;
        match self.receive().with_context(|| format!("at {place:?}"))? {
            Word::At(there) if there == place => Ok(()),
            word => bail!("the other guest is not at {place:?}: {word:?}"),
        }
    }

    fn send(&self, word: Word) -> Result<()> {
        let scenario = self.scenario.into();
        let mut line = to_vec(&Line { scenario, word })?;
        line.push(b'\n');
        let deadline = Instant::now() + PATIENCE;
        let (mut port, mut left) = (self.port, line.as_slice());
        while !left.is_empty() {
            // It can be written to once the other guest's end is there.
            wait(port, PollFlags::POLLOUT, deadline)?;
            match port.write(left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e).context("writing to the other guest"),
            }
        }
        Ok(())
    }

    fn receive(&self) -> Result<Word> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = line(self.port, deadline)?;
            let text = String::from_utf8_lossy(&line);
            let line: Line = from_slice(&line).with_context(|| format!("heard {text:?}"))?;
            match line.word {
                _ if line.scenario != self.scenario => {}
                Word::GaveUp(why) => bail!("the other guest gave up: {why}"),
                word => return Ok(word),
            }
        }
    }
}

/// The device of the port to the other guest.
fn find() -> Result<PathBuf> {
    for entry in read_dir(PORTS).context(PORTS)? {
        let entry = entry?;
        // A console is among them, and has no name.
        let name = read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim_end() == PEER_PORT {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    bail!("no port {PEER_PORT} in {PORTS}")
}

/// One line, without its end. Byte by byte: what is behind it is of the next call.
fn line(mut port: &File, deadline: Instant) -> Result<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        wait(port, PollFlags::POLLIN, deadline)?;
        match port.read(&mut byte) {
            Ok(0) => bail!(Gone),
            Ok(_) if byte == *b"\n" => return Ok(line),
            Ok(_) => line.extend(byte),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e).context("reading from the other guest"),
        }
    }
}

/// Waits until the port is ready for `what`.
fn wait(port: &File, what: PollFlags, deadline: Instant) -> Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "the other guest takes too long");
        let mut fds = [PollFd::new(port.as_fd(), what)];
        match poll(&mut fds, PollTimeout::try_from(left)?) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        let events = fds[0].revents().unwrap_or(PollFlags::empty());
        if events.intersects(what) {
            return Ok(());
        }
        // The other end is not there yet, which poll() says without waiting for it.
        sleep(EVERY);
    }
}
