// SPDX-License-Identifier: GPL-2.0
//! The program that is measured: one operation on sockets, many times, as its only argument
//! orders. Dynamically linked, so that `LD_PRELOAD` reaches it.

mod connection;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use connection::BATCH;
use connection::Connection;
use connection::Server;
use guest::measure::Answer;
use guest::measure::Operation;
use guest::measure::Order;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUlp;
use smc_netlink::diag::AF_SMC;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

/// For streaming, in bytes.
const BUFFER: usize = 128 << 10;
/// Nobody listens there.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

fn main() -> Result<()> {
    let order = std::env::args().nth(1).context("usage: bench ORDER")?;
    let order: Order = serde_json::from_str(&order).context("no order")?;
    println!("{}", serde_json::to_string(&run(&order)?)?);
    Ok(())
}

fn run(order: &Order) -> Result<Answer> {
    match order.operation {
        Operation::Socket => {
            let one = || open(order).map(drop);
            answer(&open(order)?, None, batches(1000, 1, one, || Ok(()))?)
        }
        Operation::Refused => {
            let one = || refused(&open(order)?);
            answer(&open(order)?, None, batches(200, 1, one, || Ok(()))?)
        }
        Operation::Connect => {
            let server = Server::listen(order)?;
            let one = || server.connect(order)?.byte_each_way();
            let each = batches(40, BATCH, one, || Ok(()))?;
            let connection = server.connect(order)?;
            answer(&connection.client, Some(connection.carrier()?), each)
        }
        Operation::Stream => {
            let (reader, client) = Server::listen(order)?.connect(order)?.stream()?;
            let each = batches(150, BATCH, || reader.receive(), || reader.compare())?;
            answer(&client, Some(Connection::carrier_of(&client)?), each)
        }
        Operation::Ping => {
            let pinger = Server::listen(order)?.connect(order)?.echo()?;
            let each = batches(50, BATCH, || pinger.ping(), || pinger.compare())?;
            let client = &pinger.client;
            answer(client, Some(Connection::carrier_of(client)?), each)
        }
    }
}

/// What a call of `operation` takes, in nanoseconds, less what looking at the clock takes: on
/// average in each of `count` batches of `size` calls, after a tenth as many that do not count.
/// `check` is called after each batch, and not timed.
fn batches(
    count: usize,
    size: usize,
    mut operation: impl FnMut() -> Result<()>,
    mut check: impl FnMut() -> Result<()>,
) -> Result<Vec<f64>> {
    let mut clock = [(); 21].map(|()| timed(|| ()).0);
    clock.sort();
    let clock = clock[10];
    let (mut each, unused) = (Vec::with_capacity(count), count / 10);
    for number in 0..unused + count {
        let (taken, result) = timed(|| (0..size).try_for_each(|_| operation()));
        result?;
        check()?;
        if number >= unused {
            each.push(taken.saturating_sub(clock).as_nanos() as f64 / size as f64);
        }
    }
    Ok(each)
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = run();
    (begun.elapsed(), result)
}

/// A socket as ordered.
pub fn open(order: &Order) -> Result<Socket> {
    let protocol = (order.protocol != 0).then(|| Protocol::from(order.protocol));
    let (domain, kind) = (Domain::from(order.domain), Type::from(order.kind));
    let socket = Socket::new_raw(domain, kind, protocol).context("socket")?;
    if order.operation == Operation::Stream {
        // What TCP would choose as it goes is not twice the same.
        socket.set_send_buffer_size(BUFFER)?;
        socket.set_recv_buffer_size(BUFFER)?;
    }
    if order.ulp {
        setsockopt(&socket, TcpUlp::default(), b"smc").context("TCP_ULP")?;
    }
    Ok(socket)
}

fn refused(socket: &Socket) -> Result<()> {
    let answer = socket.connect(&NOBODY.into());
    let kind = answer.err().map(|error| error.kind());
    ensure!(
        kind == Some(ErrorKind::ConnectionRefused),
        "not refused: {kind:?}"
    );
    Ok(())
}

fn answer(socket: &Socket, carrier: Option<String>, each: Vec<f64>) -> Result<Answer> {
    let domain = i32::from(socket.domain()?);
    // To AF_SMC a protocol is an address family.
    let protocol = match domain {
        AF_SMC => 0,
        _ => socket.protocol()?.map_or(0, i32::from),
    };
    Ok(Answer {
        each,
        domain,
        protocol,
        carrier,
    })
}
