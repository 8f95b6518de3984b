// SPDX-License-Identifier: GPL-2.0
//! Two guests with a wire between them, over which SMC-R runs. Both run all of a scenario.

pub mod transfer;

use crate::net::address;
use crate::pair::End;
use crate::pair::Server;
use crate::peer::Peer;
use anyhow::Result;

/// This guest's end of a transfer, `bytes` each way, that guest `server` serves.
pub fn end(peer: &Peer, server: u8, form: &'static str, v6: bool, bytes: u64) -> Result<End> {
    if peer.node() == server {
        let (at, end) = Server::start(form, address(server, v6), bytes)?.listening();
        peer.tell(&at)?;
        return Ok(end);
    }
    End::client(form, peer.hear()?, bytes)
}
