// SPDX-License-Identifier: GPL-2.0
//! Two guests with a wire between them, over which SMC-R runs. Both run all of a scenario.

pub mod explicit;
pub mod failures;
pub mod fallback;
mod flow;
mod lack;
pub mod many;
mod middlebox;
pub mod promises;
pub mod restarts;
mod scene;
mod sockets;
mod tool;
pub mod transfer;
mod tun;

use self::lack::Lack;
use crate::diag::Carrier;
use crate::kernel::net::address;
use crate::kernel::until::until;
use crate::program::pair::End;
use crate::program::pair::Server;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::data::fallback::PEER_DECLINED;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Result;
use anyhow::bail;
use smc_netlink::smc::smcr_devices;
use std::collections::BTreeSet;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::net::IpAddr;

/// A server's reason to fall back if all that client and server have is the SMC-D loopback
/// device: each has its own (`SMC_CLC_DECL_NOSMCD2DEV`).
const NO_COMMON_DEVICE: Carrier = Carrier::Fallback(0x0303_0007);

/// A server's reason to fall back if its CONFIRM LINK is not answered
/// (`SMC_CLC_DECL_TIMEOUT_CL`).
const NO_CONFIRM_LINK: Carrier = Carrier::Fallback(0x0201_0000);

/// Bytes of a transfer that only shows what carries it.
const FEW: u64 = 64 << 10;
/// How many first connections of a link group there are at most. One in 16 falls back.
const MOST_LOST: usize = 4;

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
        bail!("no IPv4 address");
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

/// Deletes the RDMA device, and with it every link group, and adds it anew.
fn renew_rdma(peer: &Peer) -> Result<()> {
    Lack::Rdma.take()?;
    Lack::Rdma.give_back(peer)
}

/// What carried a connection that was made to see that.
struct Seen {
    /// This guest's end.
    mine: BTreeSet<Carrier>,
    /// Whether both ends went over SMC-R.
    smcr: bool,
}

/// Connects to `ip`, which guest `server` serves; smcify selects everything from here on.
fn seen(peer: &Peer, smcify: &Smcify, server: u8, ip: IpAddr) -> Result<Seen> {
    smcify.set_default("smc")?;
    peer.meet("smcify selects")?;
    let mut end = end(peer, server, "blocking", ip, FEW)?;
    end.watch()?;
    peer.meet("everything has gone")?;
    let mine = end.finish()?;
    let smcr = mine == BTreeSet::from([Carrier::SmcR]);
    peer.tell(&smcr)?;
    let smcr = smcr & peer.hear::<bool>()?;
    Ok(Seen { mine, smcr })
}

/// Fails unless a connection fell back because the link of its new link group was not confirmed
/// in time.
fn is_unconfirmed(peer: &Peer, server: u8, seen: BTreeSet<Carrier>) -> Result<()> {
    let expected = match peer.node() == server {
        true => NO_CONFIRM_LINK,
        false => PEER_DECLINED,
    };
    same("carried by", BTreeSet::from([expected]), seen)
}

/// Connects like [`seen`], until it goes over SMC-R, which leaves a link group for what comes next.
///
/// The first connection of a link group may fall back, for one reason. The client begins to
/// listen for CONFIRM LINK when it has sent its CLC Confirm (`smc_connect_rdma()`), and what
/// comes in between it drops; the server gives up after 3 s (`smcr_serv_conf_first_link()`):
/// docs/smc-findings.md.
pub fn link_group(
    report: &mut Report,
    peer: &Peer,
    smcify: &Smcify,
    server: u8,
    ip: IpAddr,
) -> Result<()> {
    for _ in 0..MOST_LOST {
        let seen = seen(peer, smcify, server, ip)?;
        if seen.smcr {
            return Ok(());
        }
        report.note("the client was not there for CONFIRM LINK");
        is_unconfirmed(peer, server, seen.mine)?;
    }
    bail!("{MOST_LOST} connections fell back")
}
