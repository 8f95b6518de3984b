// SPDX-License-Identifier: GPL-2.0
//! A plain TCP program, in three forms: it asks for TCP, moves random bytes both ways at
//! once, and compares every one of them. It knows nothing of what carries them.

mod blocking;
mod endless;
mod epoll;
mod pattern;
mod uring;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use pattern::Expected;
use pattern::Side;
use pattern::Source;
use serde_json::json;
use socket2::SockRef;
use std::io::Read;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str =
    "usage: transfer server|client ADDRESS:PORT BYTES blocking|epoll|io_uring [hold]
       transfer server|client ADDRESS:PORT endless|quiet
  server: prints where it listens, serves one client; port 0 picks one
  hold:   closes the connection only when standard input ends
  endless: sends until standard input ends, and says how it went; quiet: sends nothing";

/// As good as endless: 2^64 - 1 bytes.
const ENDLESS: &str = "18446744073709551615";

/// Longer than a slow machine takes for what two sockets can hold.
const LINGER: Duration = Duration::from_secs(60);

/// What to do.
struct Job {
    side: Side,
    address: SocketAddr,
    bytes: u64,
}

/// What was done: an open connection over which everything has gone.
struct Done {
    stream: TcpStream,
    received: u64,
    sum: u64,
}

impl Job {
    fn source(&self) -> Source {
        Source::new(self.side, self.bytes)
    }

    fn expected(&self) -> Expected {
        Expected::new(self.side.other(), self.bytes)
    }

    /// Says where a server listens; its client needs to know.
    fn listening(&self, at: SocketAddr) {
        println!("{}", json!({ "listening": at.to_string() }));
    }
}

/// Has the shutdown of a connection wait until everything has gone. TCP goes on sending behind
/// the program's back; SMC stops 2 s later, and the rest is lost (`smc_close_stream_wait()`).
fn linger(stream: &TcpStream) -> Result<()> {
    let socket = SockRef::from(stream);
    socket.set_linger(Some(LINGER)).context("SO_LINGER")
}

/// The job's connection, made or accepted by blocking calls.
fn connected(job: &Job) -> Result<TcpStream> {
    let stream = match job.side {
        Side::Client => TcpStream::connect(job.address).context("connect")?,
        Side::Server => {
            let listener = TcpListener::bind(job.address).context("bind")?;
            job.listening(listener.local_addr()?);
            listener.accept().context("accept")?.0
        }
    };
    linger(&stream)?;
    Ok(stream)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("transfer: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (side, address, bytes, form, hold) = match words[..] {
        [side, address, bytes, form] => (side, address, bytes, form, false),
        [side, address, bytes, form, "hold"] => (side, address, bytes, form, true),
        [side, address, form] => (side, address, ENDLESS, form, false),
        _ => bail!("{USAGE}"),
    };
    let job = Job {
        side: match side {
            "server" => Side::Server,
            "client" => Side::Client,
            _ => bail!("{USAGE}"),
        },
        address: address
            .parse()
            .with_context(|| format!("{address}: no ADDRESS:PORT"))?,
        bytes: bytes
            .parse()
            .with_context(|| format!("{bytes}: no number of bytes"))?,
    };
    if bytes == ENDLESS {
        return match form {
            "endless" => endless::run(&job, false),
            "quiet" => endless::run(&job, true),
            _ => bail!("{USAGE}"),
        };
    }
    let done = match form {
        "blocking" => blocking::run(&job)?,
        "epoll" => epoll::run(&job)?,
        "io_uring" => uring::run(&job)?,
        _ => bail!("{USAGE}"),
    };
    let report = json!({
        "side": side,
        "form": form,
        "sent": job.bytes,
        "received": done.received,
        "sum": format!("{:016x}", done.sum),
    });
    println!("{report}");
    if hold {
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    drop(done.stream);
    Ok(())
}
