// SPDX-License-Identifier: GPL-2.0
//! Real programs as Debian ships them, with TCP and under `smcify run`: the same comes out, and
//! their connections are SMC.

use crate::scenario::Report;
use crate::scenario::real::place;
use crate::scenario::real::trial;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Result;
use anyhow::ensure;
use guest::Outcome;
use guest::Tried;
use std::net::IpAddr;
use std::net::Ipv4Addr;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    place::mount_all()?;
    let _smcify = Smcify::load()?;
    for name in ["redis", "curl", "Go net/http, GODEBUG=multipathtcp=0"] {
        report.check(name, tried(name).and_then(|tried| all_smc(&tried.smcify)));
    }
    // Go's listeners ask for MPTCP, which smcify leaves alone; its clients do not.
    let go = trial::named("Go net/http")?;
    let outcome = go.smcify_here(HERE);
    report.check(go.name, outcome.and_then(|outcome| none_smc(&outcome)));
    Ok(())
}

/// Runs a trial, which has to come out the same both times.
fn tried(name: &str) -> Result<Tried> {
    let tried = trial::named(name)?.here(HERE)?;
    for outcome in [&tried.tcp, &tried.smcify] {
        ensure!(outcome.good, "{}", outcome.result);
    }
    same("result", &tried.tcp.result, &tried.smcify.result)?;
    // How many there are differs from run to run: Go's client may dial once more than it needs.
    ensure!(tried.tcp.opened > 0, "nobody connected");
    same(
        "SMC connections with TCP",
        0,
        tried.tcp.smcd + tried.tcp.smcr,
    )?;
    Ok(tried)
}

fn all_smc(outcome: &Outcome) -> Result<()> {
    ensure!(
        outcome.fallbacks.is_empty(),
        "fallbacks: {:?}",
        outcome.fallbacks
    );
    same("SMC-D connections", outcome.opened, outcome.smcd)
}

fn none_smc(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.good, "{}", outcome.result);
    same("SMC-D connections", 0, outcome.smcd)?;
    let of_clients: u64 = outcome.fallbacks.iter().map(|it| it.count).sum();
    same("fallbacks, of clients", outcome.opened, of_clients)?;
    let why = |it: &guest::Fallback| !it.server && it.reason.contains("PEERNOSMC");
    ensure!(outcome.fallbacks.iter().all(why), "{:?}", outcome.fallbacks);
    Ok(())
}
