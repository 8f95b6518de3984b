// SPDX-License-Identifier: GPL-2.0
//! Two guests with a wire between them, over which SMC-R runs. Both run all of a scenario.

pub mod explicit;
pub mod failures;
pub mod fallback;
mod flow;
mod lack;
pub mod many;
pub mod transfer;

use crate::diag::Carrier;
use crate::net::address;
use crate::pair::End;
use crate::pair::Server;
use crate::peer::Peer;
use crate::smcify::Smcify;
use crate::until::until;
use anyhow::Result;
use smc_netlink::smc::smcr_devices;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::net::IpAddr;

/// A server's reason to fall back if all that client and server have is the SMC-D loopback
/// device: each has its own (`SMC_CLC_DECL_NOSMCD2DEV`).
const NO_COMMON_DEVICE: Carrier = Carrier::Fallback(0x0303_0007);

/// smcify, with `default` at `smc`.
fn smcify() -> Result<Smcify> {
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    Ok(smcify)
}

/// This guest's end of a transfer, `bytes` each way, that guest `server` serves at `ip`.
fn end(peer: &Peer, server: u8, form: &'static str, ip: IpAddr, bytes: u64) -> Result<End> {
    if peer.node() == server {
        let (at, end) = Server::start(form, ip, bytes)?.listening();
        peer.tell(&at)?;
        return Ok(end);
    }
    End::client(form, peer.hear()?, bytes)
}

/// Waits until SMC can use the soft-RoCE device: its port is up, and the device has a GID of
/// this guest's IPv4 address, which the RDMA core gives it in its own time.
pub fn rdma_is_ready(peer: &Peer) -> Result<()> {
    const GIDS: &str = "/sys/class/infiniband/rxe0/ports/1/gids";
    let IpAddr::V4(ip) = address(peer.node(), false) else {
        anyhow::bail!("no IPv4 address");
    };
    let [a, b, c, d] = ip.octets();
    let gid = format!("0000:0000:0000:0000:0000:ffff:{a:02x}{b:02x}:{c:02x}{d:02x}");
    until("SMC's RDMA device", || {
        let ports = smcr_devices()?.into_iter().flat_map(|device| device.ports);
        let mut found = false;
        for entry in read_dir(GIDS)? {
            // An empty place in the table cannot be read.
            let text = read_to_string(entry?.path()).unwrap_or_default();
            found |= text.trim_end() == gid;
        }
        Ok(found && ports.into_iter().any(|port| port.active))
    })
}
