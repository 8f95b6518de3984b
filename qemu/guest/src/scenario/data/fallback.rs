// SPDX-License-Identifier: GPL-2.0
//! Where SMC cannot be, a selected socket is a TCP socket: no error, no lost byte, and
//! the kernel knows why.

use super::transfer::LOOPBACKS;
use crate::diag::Carrier;
use crate::kernel::smc;
use crate::kernel::smc::NoDevice;
use crate::program::pair::FORMS;
use crate::program::pair::Server;
use crate::program::pair::Went;
use crate::program::pair::transfer;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::creation::switch::open;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Result;
use anyhow::bail;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::TcpListener;

/// Enough for the windows of either to fill several times.
const BYTES: u64 = 2 << 20;

/// Reasons to fall back (`net/smc/smc_clc.h`).
pub const PEER_NO_SMC: Carrier = Carrier::Fallback(0x0301_0000);
const NO_DEVICE: Carrier = Carrier::Fallback(0x0303_0000);
const NO_UEID: Carrier = Carrier::Fallback(0x0303_0008);
pub const PEER_DECLINED: Carrier = Carrier::Fallback(0x0500_0000);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    let server_is_tcp = |form, ip| {
        smcify.set_default("tcp")?;
        let server = Server::start(form, ip, BYTES)?;
        smcify.set_default("smc")?;
        server.serve()
    };
    each(
        report,
        "a server without SMC",
        PEER_NO_SMC,
        Carrier::Tcp,
        server_is_tcp,
    );
    let client_is_tcp = |form, ip| {
        smcify.set_default("smc")?;
        let server = Server::start(form, ip, BYTES)?;
        smcify.set_default("tcp")?;
        server.serve()
    };
    each(
        report,
        "a client without SMC",
        Carrier::Tcp,
        PEER_NO_SMC,
        client_is_tcp,
    );

    smcify.set_default("smc")?;
    let both = |form, ip| transfer(form, ip, BYTES);
    smc::remove_ueid(smc::UEID)?;
    each(report, "no user EID", PEER_DECLINED, NO_UEID, both);
    smc::add_ueid(smc::UEID)?;
    let hidden = NoDevice::hide()?;
    each(report, "no SMC device", NO_DEVICE, PEER_DECLINED, both);
    drop(hidden);
    each(
        report,
        "all as it should be",
        Carrier::SmcD,
        Carrier::SmcD,
        |form, ip| transfer(form, ip, 8 * BYTES),
    );
    for ip in LOOPBACKS {
        report.check(format!("nobody listens at {ip}"), refused(ip));
    }
    Ok(())
}

/// Runs each form over each family, and reports what it ran over.
fn each(
    report: &mut Report,
    case: &str,
    client: Carrier,
    server: Carrier,
    run: impl Fn(&'static str, IpAddr) -> Result<Went>,
) {
    for ip in LOOPBACKS {
        // One form is enough to see that IPv6 makes no difference.
        let forms = if ip.is_ipv4() {
            &FORMS[..]
        } else {
            &FORMS[..1]
        };
        for form in forms {
            let went = run(form, ip).and_then(|went| went.carried(client, server));
            report.check(format!("{case}: {form} over {ip}"), went);
        }
    }
}

/// An error stays the error that TCP gives.
fn refused(ip: IpAddr) -> Result<()> {
    let family = match ip.is_ipv4() {
        true => libc::AF_INET,
        false => libc::AF_INET6,
    };
    // A port that was free a moment ago.
    let port = TcpListener::bind(SocketAddr::new(ip, 0))?.local_addr()?;
    let client = open(family, libc::SOCK_STREAM, IPPROTO_TCP)?;
    match client.connect(&port.into()) {
        Ok(()) => bail!("connected to nobody"),
        Err(e) => same("connect", Some(libc::ECONNREFUSED), e.raw_os_error()),
    }
}
