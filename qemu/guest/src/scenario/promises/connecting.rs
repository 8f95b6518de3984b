// SPDX-License-Identifier: GPL-2.0
//! Connecting and listening: refusals, second attempts, listeners that are shut, names.

use super::Question;
use super::Tells::Other;
use super::Tells::Same;
use super::place::Pair;
use super::place::Place;
use super::place::told;
use crate::kernel::task::joined;
use anyhow::Context;
use anyhow::Result;
use nix::sys::stat::fstat;
use socket2::SockAddr;
use socket2::Socket;
use std::fs::read_to_string;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;

pub const QUESTIONS: [Question; 7] = [
    ("refused, and then connected", Same, refused),
    (
        "refused without waiting, and then connected",
        Other,
        refused_later,
    ),
    ("connecting again, and again", Same, again),
    ("a listener that is shut", Other, shut_listener),
    ("an accept() that times out", Same, timeout),
    ("the peer's name, at every moment", Other, names),
    (
        "who lists sockets finds the program's inodes",
        Other,
        inodes,
    ),
];

/// Where nobody listens.
fn nobody(place: &Place) -> Result<SockAddr> {
    let listener = place.listener()?;
    Ok(listener.local_addr()?)
}

fn refused(place: &Place) -> Result<String> {
    let client = place.client()?;
    let first = told(client.connect(&nobody(place)?));
    let listener = place.listener()?;
    let second = told(client.connect(&listener.local_addr()?));
    Ok(format!("{first}, {second}"))
}

fn refused_later(place: &Place) -> Result<String> {
    let client = place.client()?;
    client.set_nonblocking(true)?;
    let at = nobody(place)?;
    let mut said = vec![told(client.connect(&at))];
    sleep(Duration::from_millis(200));
    said.push(format!(
        "{:?}",
        client.take_error()?.and_then(|e| e.raw_os_error())
    ));
    said.push(told(client.connect(&at)));
    let listener = place.listener()?;
    for _ in 0..3 {
        said.push(told(client.connect(&listener.local_addr()?)));
        sleep(Duration::from_millis(200));
    }
    Ok(format!("{said:?}"))
}

fn again(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    let Pair { client, server } = place.pair_at(&listener)?;
    let connected = told(client.connect(&listener.local_addr()?));
    let listens = told(client.listen(1));
    drop(server);
    Ok(format!("{connected}, {listens}"))
}

/// Who sleeps in accept() is told, nobody can connect, and it can listen again.
fn shut_listener(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    listener.set_read_timeout(Some(super::place::NEVER))?;
    let accept = |socket: &Socket| told(socket.accept().map(drop));
    let mut said = scope(|scope| {
        let waiter = scope.spawn(|| Ok(accept(&listener)));
        sleep(Duration::from_millis(200));
        let half = told(listener.shutdown(Shutdown::Write));
        let whole = told(listener.shutdown(Shutdown::Both));
        Ok::<_, anyhow::Error>(vec![half, whole, joined(waiter)?])
    })?;
    said.push(accept(&listener));
    said.push(told(place.client()?.connect(&listener.local_addr()?)));
    said.push(told(listener.listen(8)));
    said.push(told(place.client()?.connect(&listener.local_addr()?)));
    said.push(accept(&listener));
    Ok(format!("{said:?}"))
}

fn timeout(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    listener.set_read_timeout(Some(Duration::from_millis(300)))?;
    let late = told(listener.accept().map(drop));
    listener.set_nonblocking(true)?;
    Ok(format!("{late}, {}", told(listener.accept().map(drop))))
}

fn names(place: &Place) -> Result<String> {
    let (fresh, listener) = (place.client()?, place.listener()?);
    let named = |socket: &Socket| told(socket.peer_addr().map(drop));
    let mut said = vec![named(&fresh), named(&listener)];
    let Pair { client, server } = place.pair_at(&listener)?;
    said.push(named(&client));
    client.shutdown(Shutdown::Write)?;
    said.push(named(&client));
    sleep(Duration::from_millis(100));
    said.push(named(&server));
    server.shutdown(Shutdown::Write)?;
    said.push(named(&server));
    Ok(format!("{said:?}"))
}

/// The inodes that `ss -p`, lsof and fuser look for: those of each socket whose port is the
/// listener's, in `/proc/net/tcp`, beside those of the files.
fn inodes(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    let Pair { client, server } = place.pair_at(&listener)?;
    let port = listener
        .local_addr()?
        .as_socket()
        .map(|it: SocketAddr| it.port())
        .context("no port")?;
    let table = match place.ip.is_ipv4() {
        true => "/proc/net/tcp",
        false => "/proc/net/tcp6",
    };
    let text = read_to_string(table)?;
    let port = format!(":{port:04X}");
    let mut listed: Vec<u64> = text
        .lines()
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let ours = words.get(1)?.ends_with(&port) || words.get(2)?.ends_with(&port);
            ours.then(|| words.get(9)?.parse().ok()).flatten()
        })
        .collect();
    let mut files = Vec::new();
    for socket in [&listener, &client, &server] {
        files.push(fstat(socket)?.st_ino);
    }
    listed.sort();
    // A list that is read while a connection comes to be may have it twice.
    listed.dedup();
    files.sort();
    Ok(match listed == files {
        true => "those of the files".into(),
        false => format!("{} of {listed:?}, files {files:?}", listed.len()),
    })
}
