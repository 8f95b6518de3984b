// SPDX-License-Identifier: GPL-2.0
//! Where a question is asked: which sockets each end has.

use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::creation::switch::open;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use socket2::Socket;
use std::fmt::Debug;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// Longer than anything takes that comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// What does not come for so long does not come.
pub const NEVER: Duration = Duration::from_secs(2);

/// While it is held, the default is as it was set.
static ASKING: Mutex<()> = Mutex::new(());

/// What the two ends of a connection are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Tcp,
    /// Both by smcify: SMC-D.
    Selected,
    /// The server's by smcify, and the client's TCP: it falls back.
    ServerAlone,
    /// The client's by smcify, and the server's TCP.
    ClientAlone,
    /// Both `IPPROTO_SMC`, by the program.
    Explicit,
}

/// Where a question is asked.
pub struct Place<'a> {
    pub smcify: &'a Smcify,
    pub kind: Kind,
    pub ip: IpAddr,
}

/// A connection.
pub struct Pair {
    pub client: Socket,
    pub server: Socket,
}

impl Place<'_> {
    /// A socket, as a server has it.
    pub fn server(&self) -> Result<Socket> {
        self.socket(matches!(self.kind, Kind::Selected | Kind::ServerAlone))
    }

    /// A socket, as a client has it.
    pub fn client(&self) -> Result<Socket> {
        self.socket(matches!(self.kind, Kind::Selected | Kind::ClientAlone))
    }

    fn socket(&self, selected: bool) -> Result<Socket> {
        let family = match self.ip.is_ipv4() {
            true => libc::AF_INET,
            false => libc::AF_INET6,
        };
        let protocol = match self.kind {
            Kind::Explicit => IPPROTO_SMC,
            _ => IPPROTO_TCP,
        };
        // Others ask at the same time.
        let asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
        self.smcify
            .set_default(if selected { "smc" } else { "tcp" })?;
        let socket = open(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol)?;
        drop(asking);
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    }

    /// Binds it to a port of the kernel's choice.
    pub fn bind(&self, socket: &Socket) -> Result<()> {
        Ok(socket.bind(&SocketAddr::new(self.ip, 0).into())?)
    }

    /// A socket that listens.
    pub fn listener(&self) -> Result<Socket> {
        let listener = self.server()?;
        self.bind(&listener)?;
        listener.listen(8)?;
        Ok(listener)
    }

    /// A connection.
    pub fn pair(&self) -> Result<Pair> {
        self.pair_at(&self.listener()?)
    }

    /// A connection to `listener`.
    pub fn pair_at(&self, listener: &Socket) -> Result<Pair> {
        let client = self.client()?;
        client
            .connect(&listener.local_addr()?)
            .context("connecting")?;
        let server = listener.accept().context("accepting")?.0;
        server.set_read_timeout(Some(PATIENCE))?;
        let smc = matches!(self.kind, Kind::Selected | Kind::Explicit);
        let is_smc = client.protocol()? == Some(IPPROTO_SMC.into());
        ensure!(is_smc == smc, "the client's connection: SMC: {is_smc}");
        Ok(Pair { client, server })
    }
}

/// The answer to a call: what it returned, or the name of its error.
pub fn told<T: Debug>(answer: io::Result<T>) -> String {
    match answer.map_err(|e| e.raw_os_error()) {
        Ok(value) => format!("{value:?}"),
        Err(Some(errno)) => format!("{:?}", Errno::from_raw(errno)),
        Err(None) => "another error".into(),
    }
}

/// `send(2)`.
pub fn send(socket: &Socket, bytes: &[u8], flags: i32) -> io::Result<usize> {
    // SAFETY: The slice is readable, as long as it is.
    let sent = unsafe {
        libc::send(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// `recv(2)` of at most `most` bytes: those that came.
pub fn receive(socket: &Socket, most: usize, flags: i32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![MaybeUninit::new(0u8); most];
    let count = socket.recv_with_flags(&mut bytes, flags)?;
    // SAFETY: They were initialised above.
    let read = |byte: &MaybeUninit<u8>| unsafe { byte.assume_init() };
    Ok(bytes.iter().take(count).map(read).collect())
}

/// Receives until the end, and once more: how many bytes came and whether each was right (as
/// [`byte`] says), and what the two ends said.
pub fn drain(socket: &Socket) -> (usize, bool, [String; 2]) {
    let (mut count, mut right) = (0, true);
    let first = loop {
        match receive(socket, 1 << 16, 0) {
            Ok(bytes) if bytes.is_empty() => break "end".into(),
            Ok(bytes) => {
                right &= bytes.iter().zip(count..).all(|(it, at)| *it == byte(at));
                count += bytes.len();
            }
            Err(e) => break told::<()>(Err(e)),
        }
    };
    let second = told(receive(socket, 1, 0).map(|it| it.len()));
    (count, right, [first, second])
}

/// The byte at one place of a stream.
pub fn byte(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

/// The first `count` bytes of a stream.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(byte).collect()
}

/// Sends without waiting until nothing goes in for a while; how much did.
pub fn fill(socket: &Socket) -> Result<usize> {
    const QUIET: Duration = Duration::from_millis(300);
    let (mut count, mut last) = (0, Instant::now());
    while last.elapsed() < QUIET {
        let part: Vec<u8> = (count..count + (1 << 14)).map(byte).collect();
        match send(socket, &part, libc::MSG_DONTWAIT) {
            Ok(sent) => {
                count += sent;
                last = Instant::now();
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(e) => return Err(e).context("filling"),
        }
    }
    Ok(count)
}

/// Its events when they have been the same for a while: all that `poll(2)` can tell.
pub fn settled(socket: &Socket) -> Result<PollFlags> {
    const STILL: Duration = Duration::from_millis(300);
    let mut since = Instant::now();
    let mut last = events(socket)?;
    while since.elapsed() < STILL {
        std::thread::sleep(Duration::from_millis(30));
        let now = events(socket)?;
        if now != last {
            (since, last) = (Instant::now(), now);
        }
    }
    Ok(last)
}

fn events(socket: &Socket) -> Result<PollFlags> {
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::all())];
    poll(&mut polled, PollTimeout::ZERO)?;
    polled[0].revents().context("events that nobody knows")
}
