// SPDX-License-Identifier: GPL-2.0
//! Receiving: ends in order and others, flags.

use super::Question;
use super::Tells::Other;
use super::Tells::Same;
use super::closing::at_once;
use super::place::Pair;
use super::place::Place;
use super::place::drain;
use super::place::receive;
use super::place::send;
use super::place::settled;
use super::place::told;
use super::sending::pipes;
use crate::kernel::task::joined;
use anyhow::Result;
use std::net::Shutdown;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

pub const QUESTIONS: [Question; 10] = [
    ("an end in order is 0, for ever", Same, in_order),
    (
        "a peer that has not read all is a reset, once",
        Other,
        unread,
    ),
    (
        "a peer that lingers for 0 s is a reset, once",
        Other,
        linger_0,
    ),
    ("the same to who connected without waiting", Other, at_later),
    (
        "a refusal, to who did not wait for it",
        Other,
        refused_later,
    ),
    ("to write to such a peer", Other, write_after_reset),
    ("shutdown(SHUT_RD) wakes who receives", Other, woken),
    ("MSG_PEEK, MSG_TRUNC, MSG_WAITALL", Same, flags),
    ("MSG_ERRQUEUE is empty", Other, error_queue),
    ("a socket that was never connected", Same, unconnected),
];

fn in_order(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    send(&server, &super::place::bytes(1000), 0)?;
    drop(server);
    Ok(format!("{:?}", drain(&client)))
}

/// The server closes with bytes unread; the client has some to read.
fn unread(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    send(&client, b"hello", 0)?;
    send(&server, &super::place::bytes(1000), 0)?;
    sleep(Duration::from_millis(100));
    drop(server);
    sleep(Duration::from_millis(100));
    Ok(format!("{:?}", drain(&client)))
}

fn linger_0(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    server.set_linger(Some(Duration::ZERO))?;
    drop(server);
    sleep(Duration::from_millis(100));
    Ok(format!("{:?}", drain(&client)))
}

/// A client that does not wait, and never asks what became of its connect().
fn at_later(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    let client = place.client()?;
    client.set_nonblocking(true)?;
    let said = told(client.connect(&listener.local_addr()?));
    let server = listener.accept()?.0;
    settled(&client)?;
    client.set_nonblocking(false)?;
    server.set_linger(Some(Duration::ZERO))?;
    drop(server);
    sleep(Duration::from_millis(100));
    Ok(format!("{said}, {:?}", drain(&client)))
}

fn refused_later(place: &Place) -> Result<String> {
    let at = place.listener()?.local_addr()?;
    let (reader, writer) = (place.client()?, place.client()?);
    for client in [&reader, &writer] {
        client.set_nonblocking(true)?;
        let _ = client.connect(&at);
        settled(client)?;
    }
    let sent: Vec<_> = (0..2)
        .map(|_| pipes(|| told(send(&writer, b"hello", 0))))
        .collect();
    Ok(format!("{:?}, {sent:?}", drain(&reader)))
}

fn write_after_reset(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    server.set_linger(Some(Duration::ZERO))?;
    drop(server);
    sleep(Duration::from_millis(100));
    let first = pipes(|| told(send(&client, b"hello", 0)));
    let second = pipes(|| told(send(&client, b"hello", 0)));
    let read = told(receive(&client, 1, 0));
    Ok(format!("{first}; {second}; {read}"))
}

fn woken(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    client.set_read_timeout(Some(super::place::NEVER))?;
    let begun = Instant::now();
    let read = scope(|scope| {
        let reader = scope.spawn(|| Ok(told(receive(&client, 1, 0))));
        sleep(Duration::from_millis(200));
        client.shutdown(Shutdown::Read)?;
        joined(reader)
    })?;
    drop(server);
    Ok(format!("{read} {}", at_once(begun)))
}

fn flags(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    send(&server, b"hello", 0)?;
    let peeked = told(receive(&client, 3, libc::MSG_PEEK | libc::MSG_WAITALL));
    let skipped = told(receive(&client, 2, libc::MSG_TRUNC).map(|it| it.len()));
    scope(|scope| {
        let writer = scope.spawn(|| {
            sleep(Duration::from_millis(100));
            Ok(send(&server, b"there", 0)?)
        });
        let all = told(receive(&client, 8, libc::MSG_WAITALL));
        joined(writer)?;
        let none = told(receive(&client, 1, libc::MSG_DONTWAIT));
        let zero = told(receive(&client, 0, libc::MSG_DONTWAIT));
        Ok(format!("{peeked}, {skipped}, {all}, {none}, {zero}"))
    })
}

fn error_queue(place: &Place) -> Result<String> {
    let pair = place.pair()?;
    Ok(told(receive(&pair.client, 1, libc::MSG_ERRQUEUE)))
}

fn unconnected(place: &Place) -> Result<String> {
    let (fresh, listening) = (place.client()?, place.listener()?);
    let fresh = told(receive(&fresh, 1, 0));
    Ok(format!("{fresh}, {}", told(receive(&listening, 1, 0))))
}
