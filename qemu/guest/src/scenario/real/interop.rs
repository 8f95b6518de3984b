// SPDX-License-Identifier: GPL-2.0
//! Real programs between two guests, and CPython's own tests in one. What comes of each goes to
//! the lab as a line of JSON, which judges the differences.

use crate::kernel::net::address;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::real::cpython;
use crate::scenario::real::place;
use crate::scenario::real::trial::TRIALS;
use crate::scenario::same;
use crate::scenario::wire::link_group;
use crate::scenario::wire::rdma_is_ready;
use crate::smcify::Smcify;
use anyhow::Result;
use anyhow::ensure;
use guest::TRIED;
use guest::Tried;

/// The scenario of two guests: servers on guest 0, clients on guest 1.
pub fn wire(report: &mut Report, name: &'static str) -> Result<()> {
    Peer::with(name, |peer| {
        place::mount_all()?;
        let smcify = Smcify::load()?;
        rdma_is_ready(peer)?;
        // The programs are not to meet what the first connection of a link group may.
        link_group(report, peer, &smcify, 0, address(0, false))?;
        smcify.set_default("tcp")?;
        peer.meet("smcify selects nothing")?;
        for trial in TRIALS {
            let tried = trial.apart(peer, address(0, false))?;
            match tried {
                Some(tried) => told(report, &tried),
                None => report.check(trial.name, Ok(())),
            }
        }
        Ok(())
    })
}

/// The scenario of one guest.
pub fn suites(report: &mut Report) -> Result<()> {
    place::mount_all()?;
    let _smcify = Smcify::load()?;
    for suite in &cpython::SUITES {
        told(report, &cpython::tried(suite)?);
    }
    Ok(())
}

/// Tells the lab. With TCP, a program has to do what it does anywhere; under smcify, every
/// connection has to be SMC's or to have fallen back. Of programs whose connections fail as often
/// as they please some have to be.
fn told(report: &mut Report, tried: &Tried) {
    let json = serde_json::to_string(tried).unwrap_or_default();
    report.note(format!("{TRIED}{json}"));
    let (tcp, smcify) = (&tried.tcp, &tried.smcify);
    let with_tcp = || {
        ensure!(tcp.good, "{}", tcp.result);
        ensure!(tcp.opened > 0, "nobody connected");
        same("SMC connections", 0, tcp.smcd + tcp.smcr)
    };
    report.check(&tried.program, with_tcp());
    let under_smcify = || {
        let clients = smcify.fallbacks.iter().filter(|it| !it.server);
        let fell_back: u64 = clients.map(|it| it.count).sum();
        let selected = smcify.smcd + smcify.smcr + fell_back;
        if tried.steady {
            return same("connections of SMC sockets", smcify.opened, selected);
        }
        ensure!(selected > 0, "none is of an SMC socket");
        Ok(())
    };
    report.check(format!("{}, under smcify", tried.program), under_smcify());
}
