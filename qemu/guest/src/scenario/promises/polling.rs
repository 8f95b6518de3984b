// SPDX-License-Identifier: GPL-2.0
//! Polling: the same events in every state.

use super::Question;
use super::Tells::Other;
use super::Tells::Same;
use super::place::Pair;
use super::place::Place;
use super::place::fill;
use super::place::send;
use super::place::settled;
use anyhow::Result;
use std::net::Shutdown;
use std::time::Duration;

pub const QUESTIONS: [Question; 6] = [
    ("new, and listening", Other, unconnected),
    ("refused", Other, refused),
    (
        "connected, with something to read, and full",
        Same,
        connected,
    ),
    ("one direction shut, and the other", Same, shut),
    ("reset", Other, reset),
    ("a listener that is shut", Other, shut_listener),
];

fn unconnected(place: &Place) -> Result<String> {
    let (fresh, listener) = (place.client()?, place.listener()?);
    let mut said = vec![settled(&fresh)?, settled(&listener)?];
    let client = place.client()?;
    client.connect(&listener.local_addr()?)?;
    said.push(settled(&listener)?);
    Ok(format!("{said:?}"))
}

fn refused(place: &Place) -> Result<String> {
    let client = place.client()?;
    client.set_nonblocking(true)?;
    let at = place.listener()?.local_addr()?;
    let _ = client.connect(&at);
    let first = settled(&client)?;
    let _ = client.take_error()?;
    Ok(format!("{first:?}, {:?}", settled(&client)?))
}

fn connected(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    let mut said = vec![settled(&client)?, settled(&server)?];
    send(&server, b"hello", 0)?;
    said.push(settled(&client)?);
    fill(&client)?;
    said.push(settled(&client)?);
    Ok(format!("{said:?}"))
}

fn shut(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    client.shutdown(Shutdown::Write)?;
    let mut said = vec![settled(&client)?, settled(&server)?];
    server.shutdown(Shutdown::Write)?;
    said.push(settled(&client)?);
    said.push(settled(&server)?);
    Ok(format!("{said:?}"))
}

fn reset(place: &Place) -> Result<String> {
    let Pair { client, server } = place.pair()?;
    server.set_linger(Some(Duration::ZERO))?;
    drop(server);
    let first = settled(&client)?;
    let _ = client.take_error()?;
    Ok(format!("{first:?}, {:?}", settled(&client)?))
}

fn shut_listener(place: &Place) -> Result<String> {
    let listener = place.listener()?;
    listener.shutdown(Shutdown::Both)?;
    Ok(format!("{:?}", settled(&listener)?))
}
