// SPDX-License-Identifier: GPL-2.0
//! What SMC itself does, to a program that asks for it, where there is no smcify: who reads
//! from a connection that was broken is told that the stream has ended in order.

use super::lack::Lack;
use crate::module;
use crate::net::address;
use crate::peer::Peer;
use crate::scenario::same;
use crate::scenario::switch::IPPROTO_SMC;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

const SERVER: u8 = 1;
/// Longer than the link group lives that has lost its device.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server sends half of what it says it will, then its RDMA link is deleted.
pub fn run(peer: &Peer) -> Result<()> {
    ensure!(!module::is_loaded("smcify"), "smcify is loaded");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
    if peer.node() == SERVER {
        let at = SocketAddr::new(address(SERVER, false), 0);
        socket.bind(&at.into())?;
        socket.listen(1)?;
        peer.tell(&socket.local_addr()?.as_socket())?;
        let (mut stream, _) = socket.accept()?;
        stream.write_all(b"half")?;
        peer.meet("half is there")?;
        Lack::Rdma.take()?;
        peer.meet("the link is gone")?;
        return Lack::Rdma.give_back(peer);
    }
    let at: Option<SocketAddr> = peer.hear()?;
    socket.connect(&at.context("no address")?.into())?;
    same("SO_PROTOCOL", Some(IPPROTO_SMC.into()), socket.protocol()?)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut socket, mut half) = (socket, [0; 4]);
    socket.read_exact(&mut half)?;
    peer.meet("half is there")?;
    let read = socket.read(&mut half).map_err(|error| error.raw_os_error());
    peer.meet("the link is gone")?;
    same("read()", Ok(0), read)
}
