// SPDX-License-Identifier: GPL-2.0
//! Connections between the two guests that go on until they are stopped or broken, and how
//! they end.

use crate::diag::Carrier;
use crate::diag::carriers_of;
use crate::kernel::net::address;
use crate::program::pair::PROGRAM;
use crate::program::pair::Program;
use crate::program::peer::Peer;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::errno::Errno;
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;
use std::time::Instant;

const CLIENT: u8 = 0;
const SERVER: u8 = 1;
/// Longer than a connection takes to come under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What carries a connection, and whether anything goes over it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Tcp,
    SmcR,
    QuietTcp,
    QuietSmcR,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Tcp => "TCP",
            Kind::SmcR => "SMC-R",
            Kind::QuietTcp => "TCP, quiet",
            Kind::QuietSmcR => "SMC-R, quiet",
        })
    }
}

impl Kind {
    fn is_smc(self) -> bool {
        matches!(self, Kind::SmcR | Kind::QuietSmcR)
    }

    fn form(self) -> &'static str {
        match self {
            Kind::Tcp | Kind::SmcR => "endless",
            Kind::QuietTcp | Kind::QuietSmcR => "quiet",
        }
    }
}

/// What the program prints: one of these in each line.
#[derive(Deserialize)]
struct Said {
    listening: Option<SocketAddr>,
    sent: Option<Direction>,
    received: Option<Direction>,
}

/// What became of one direction of a connection.
#[derive(Debug, Deserialize)]
struct Direction {
    bytes: u64,
    errno: Option<i32>,
    wrong: Option<String>,
}

/// This guest's end of a connection.
pub struct Flow {
    pub kind: Kind,
    program: Program,
    lines: Receiver<(Instant, String)>,
}

impl Flow {
    /// Connects to a server in guest 1, and waits until the connection is under way.
    pub fn start(peer: &Peer, smcify: &Smcify, kind: Kind) -> Result<Self> {
        smcify.set_default(if kind.is_smc() { "smc" } else { "tcp" })?;
        let flow = match peer.node() {
            CLIENT => Self::side(kind, "client", peer.hear()?)?,
            _ => {
                let ip = address(SERVER, false);
                let flow = Self::side(kind, "server", SocketAddr::new(ip, 0))?;
                let (_, said) = flow.said(PATIENCE)?.context("the server says nothing")?;
                peer.tell(&said.listening.context("the server does not listen")?)?;
                flow
            }
        };
        let (_, under_way) = flow.said(PATIENCE)?.context("it does not come under way")?;
        ensure!(
            under_way.received.is_none(),
            "it ended before it was under way"
        );
        peer.meet("it is under way")?;
        flow.is_carried()?;
        Ok(flow)
    }

    fn side(kind: Kind, side: &str, at: SocketAddr) -> Result<Self> {
        let arguments = [side, &at.to_string(), kind.form()];
        let mut program = Program::start(PROGRAM, &arguments)?;
        let lines = program.lines()?;
        Ok(Self {
            kind,
            program,
            lines,
        })
    }

    fn is_carried(&self) -> Result<()> {
        let expected: &[Carrier] = if self.kind.is_smc() {
            &[Carrier::SmcR]
        } else {
            &[]
        };
        let found: Vec<_> = carriers_of(self.program.0.id())?.into_iter().collect();
        same("SMC_DIAG", expected, &found[..])
    }

    /// What the program says next, and when, if it says something in time.
    fn said(&self, patience: Duration) -> Result<Option<(Instant, Said)>> {
        match self.lines.recv_timeout(patience) {
            Ok((at, line)) => Ok(Some((at, serde_json::from_str(&line).context(line)?))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(_) => bail!("{}: the program died", self.kind),
        }
    }

    /// Waits for its end, which comes by itself; none if it has not come in time.
    pub fn ended(&self, since: Instant, within: Duration) -> Result<Option<End>> {
        let left = within.saturating_sub(since.elapsed());
        let said = self.said(left)?.filter(|(at, _)| *at <= since + within);
        said.map(|(at, said)| End::new(said, at.saturating_duration_since(since)))
            .transpose()
    }

    /// Has the program send no more, and waits for its end, which is when the other one has
    /// sent all as well.
    pub fn stop(&mut self, within: Duration) -> Result<Option<End>> {
        drop(self.program.0.stdin.take());
        self.ended(Instant::now(), within)
    }
}

/// What ends a connection.
#[derive(Clone, Copy)]
pub enum By {
    /// The peer's host says that it is over, or that it knows nothing of it.
    Peer,
    /// SMC-R finds that its link is no good any more.
    Link,
}

/// Errors that a TCP connection gives that the peer, or the network, has ended.
const ENDED: [Errno; 2] = [Errno::ECONNRESET, Errno::EPIPE];

/// How a connection ended.
pub struct End {
    after: Duration,
    sent: Direction,
    received: Direction,
}

impl End {
    fn new(said: Said, after: Duration) -> Result<Self> {
        let end = Self {
            after,
            sent: said.sent.context("nothing about what was sent")?,
            received: said.received.context("nothing about what was received")?,
        };
        match end.sent.wrong.as_ref().or(end.received.wrong.as_ref()) {
            Some(wrong) => bail!("corrupt: {wrong}"),
            None => Ok(end),
        }
    }

    /// How many bytes the program has sent, and received.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sent.bytes, self.received.bytes)
    }

    /// Fails if the program saw an error.
    pub fn is_clean(&self) -> Result<()> {
        same("write and read", [None; 2], self.errors())
    }

    /// Fails unless the program saw the errors that it has to: one at least, of its write or of its
    /// read, and none that TCP would not give.
    pub fn is_an_error(&self, kind: Kind, by: By) -> Result<()> {
        let errors = self.errors();
        let known = match by {
            By::Peer => matches!(kind, Kind::Tcp | Kind::SmcR),
            By::Link => kind.is_smc(),
        };
        let mut seen = errors.into_iter().flatten().peekable();
        let as_expected = known && seen.peek().is_some() && seen.all(|it| ENDED.contains(&it));
        ensure!(as_expected, "errors: {errors:?}");
        Ok(())
    }

    /// The errors that the program saw, of its write and of its read.
    fn errors(&self) -> [Option<Errno>; 2] {
        [&self.sent, &self.received].map(|it| it.errno.map(Errno::from_raw))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.errors().map(|error| match error {
            Some(error) => format!("{error:?}"),
            None => "no error".into(),
        });
        write!(
            f,
            "{:.1} s, write: {}, read: {}, {} bytes sent, {} received",
            self.after.as_secs_f32(),
            said[0],
            said[1],
            self.sent.bytes,
            self.received.bytes
        )
    }
}
