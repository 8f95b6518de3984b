// SPDX-License-Identifier: GPL-2.0
//! Connections over loopback, both ends in this process. All that is received is compared
//! with what was sent, between the measurements.

use super::open;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use guest::measure::Order;
use nix::sys::stat::fstat;
use smc_netlink::diag;
use smc_netlink::diag::Carrier;
use socket2::Socket;
use std::cell::Cell;
use std::cell::RefCell;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread::spawn;

/// What a `write()` of [`Connection::stream`] has.
const BLOCK: usize = 64 << 10;
/// What goes to and fro in [`Connection::echo`].
const PING: usize = 64;
/// How many there is room for, before they are compared.
pub const BATCH: usize = 20;

/// A socket that listens.
pub struct Server(Socket, SocketAddr);

/// Two connected sockets.
pub struct Connection {
    pub client: Socket,
    accepted: Socket,
}

impl Server {
    /// Listens at a port that the kernel chooses.
    pub fn listen(order: &Order) -> Result<Self> {
        let socket = open(order)?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).context("bind")?;
        socket.listen(16).context("listen")?;
        let address = socket.local_addr()?.as_socket().context("an address")?;
        Ok(Self(socket, address))
    }

    /// Connects, and accepts that.
    pub fn connect(&self, order: &Order) -> Result<Connection> {
        let client = open(order)?;
        client.connect(&self.1.into()).context("connect")?;
        let (accepted, _) = self.0.accept().context("accept")?;
        Ok(Connection { client, accepted })
    }
}

impl Connection {
    /// Sends a byte there and one back.
    pub fn byte_each_way(&self) -> Result<()> {
        for (from, to) in [
            (&self.client, &self.accepted),
            (&self.accepted, &self.client),
        ] {
            let (mut from, mut to, mut byte) = (from, to, [0]);
            from.write_all(b"x")?;
            to.read_exact(&mut byte)?;
            ensure!(&byte == b"x", "another byte: {byte:?}");
        }
        Ok(())
    }

    /// What carries it.
    pub fn carrier(&self) -> Result<String> {
        Self::carrier_of(&self.client)
    }

    /// What carries the connection of this end.
    pub fn carrier_of(socket: &Socket) -> Result<String> {
        let found = diag::socket(fstat(socket)?.st_ino)?;
        Ok(found.map_or(Carrier::Tcp, |it| it.carrier).to_string())
    }

    /// Has a thread write blocks from now on. The client's end is the one that sends.
    pub fn stream(self) -> Result<(Reader, Socket)> {
        let mut client = self.client.try_clone()?;
        let block = pattern(BLOCK);
        // Ends with the process, or when the other end is closed.
        spawn(move || while client.write_all(&block).is_ok() {});
        let (accepted, received) = (self.accepted, Received::new(BLOCK));
        Ok((Reader { accepted, received }, self.client))
    }

    /// Has a thread send back what comes.
    pub fn echo(self) -> Result<Pinger> {
        self.client.set_tcp_nodelay(true)?;
        self.accepted.set_tcp_nodelay(true)?;
        let mut accepted = self.accepted;
        spawn(move || {
            let mut bytes = [0; PING];
            while accepted.read_exact(&mut bytes).is_ok() && accepted.write_all(&bytes).is_ok() {}
        });
        Ok(Pinger {
            client: self.client,
            sent: pattern(PING),
            received: Received::new(PING),
        })
    }
}

/// The end that receives blocks.
pub struct Reader {
    accepted: Socket,
    received: Received,
}

impl Reader {
    /// Receives one.
    pub fn receive(&self) -> Result<()> {
        self.received.one(&self.accepted)
    }

    /// Whether all since the last call were what had been sent.
    pub fn compare(&self) -> Result<()> {
        self.received.compare(&pattern(BLOCK))
    }
}

/// The end that sends first.
pub struct Pinger {
    pub client: Socket,
    sent: Vec<u8>,
    received: Received,
}

impl Pinger {
    /// There and back.
    pub fn ping(&self) -> Result<()> {
        (&self.client).write_all(&self.sent)?;
        self.received.one(&self.client)
    }

    /// Whether all since the last call that came back were what had been sent.
    pub fn compare(&self) -> Result<()> {
        self.received.compare(&self.sent)
    }
}

/// What has come, until it is compared.
struct Received {
    bytes: RefCell<Vec<u8>>,
    at: Cell<usize>,
    each: usize,
}

impl Received {
    fn new(each: usize) -> Self {
        let bytes = RefCell::new(vec![0; each * BATCH]);
        let at = Cell::new(0);
        Self { bytes, at, each }
    }

    fn one(&self, mut from: &Socket) -> Result<()> {
        let (at, mut bytes) = (self.at.get(), self.bytes.borrow_mut());
        let place = bytes.get_mut(at..at + self.each);
        from.read_exact(place.context("more than a batch")?)?;
        self.at.set(at + self.each);
        Ok(())
    }

    fn compare(&self, sent: &[u8]) -> Result<()> {
        let mut bytes = self.bytes.borrow_mut();
        let came = bytes.get_mut(..self.at.replace(0)).unwrap_or_default();
        ensure!(!came.is_empty(), "nothing came");
        for one in came.chunks(self.each) {
            ensure!(one == sent, "other bytes came than were sent");
        }
        // What comes next cannot pass for it.
        came.fill(0);
        Ok(())
    }
}

/// Bytes of which no stretch is like the one before.
fn pattern(len: usize) -> Vec<u8> {
    let byte = |at: usize| (at as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[0];
    (0..len).map(byte).collect()
}
