// SPDX-License-Identifier: GPL-2.0
//! The egress device is renamed, moved to another namespace and deleted while connections that
//! rules judge by their device are in the middle of their handshakes.

use super::hosts::DEVICE;
use super::hosts::DST;
use super::hosts::Hosts;
use super::hosts::PEER;
use super::hosts::PORT;
use super::hosts::SRC;
use super::hosts::SRC6;
use super::hosts::end;
use super::hosts::listen;
use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::kernel::smc::NoDevice;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::loading::rmmod::EXPEDITED;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::fs::write;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const ROUNDS: usize = 5;
const THREADS: usize = 4;
/// The device's other name.
const RENAMED: &str = "hs9";
/// How long the way is, and how long a connection gets of which that is two thirds.
const DELAY: Duration = Duration::from_millis(4);
const PATIENCE: Duration = Duration::from_millis(6);
/// How long the device stays as it is.
const STAY: Duration = Duration::from_millis(20);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    // The option is all that matters; what would follow it is left to TCP.
    let _hidden = NoDevice::hide()?;
    write(EXPEDITED, "1").with_context(|| EXPEDITED)?;
    let (hosts, elsewhere) = (Hosts::new()?, Netns::new()?);
    let rules = [(DEVICE, "smc"), (RENAMED, "tcp"), (PEER, "smc")];
    let rules = rules.map(|(dev, action)| Rule::saying(action, &format!("dev:{dev}")));
    let rules = rules.into_iter().collect::<Result<Vec<_>>>()?;
    let listener = hosts.server.run(|| listen(DST.into(), PORT))?;
    listener.set_nonblocking(true)?;
    let (stop, made) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let hosts = &hosts;
    let begun = Instant::now();
    let (rounds, threads) = scope(|threads| {
        let mut working = vec![threads.spawn(|| {
            while !stop.load(Relaxed) {
                drop(listener.accept());
                sleep(Duration::from_millis(1));
            }
            Ok(())
        })];
        for _ in 0..THREADS {
            let keep_on = move || {
                while !stop.load(Relaxed) {
                    try_to_connect()?;
                    made.fetch_add(1, Relaxed);
                }
                Ok(())
            };
            working.push(threads.spawn(move || hosts.client.run(keep_on)));
        }
        let rounds = (0..ROUNDS).try_for_each(|round| {
            churn(hosts, &elsewhere).with_context(|| format!("round {round}"))
        });
        stop.store(true, Relaxed);
        let ends = working.into_iter().map(joined);
        (rounds, ends.collect::<Result<Vec<()>>>())
    });
    write(EXPEDITED, "0").with_context(|| EXPEDITED)?;
    let hits = rules.iter().map(Rule::hits).collect::<Result<Vec<_>>>()?;
    let (made, seconds) = (made.load(Relaxed), begun.elapsed().as_secs_f32());
    report.note(format!(
        "{ROUNDS} rounds in {seconds:.0} s, {made} connections begun, hits {hits:?}"
    ));
    report.check("renamed, moved, deleted, again and again", rounds);
    report.check("connections go on", threads.map(drop));
    let often = || {
        let least = hits.iter().copied().min().unwrap_or_default();
        ensure!(least >= ROUNDS as u64, "{hits:?}");
        Ok(())
    };
    report.check("each device's rule has decided", often());
    drop(rules);
    report.check("rmmod", smcify.unload());
    Ok(())
}

/// Begins a connection, and gives it up after a while, however far it is.
fn try_to_connect() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_nonblocking(true)?;
    // There may be no device, so no route, right now.
    let _ = socket.connect(&SocketAddr::from((DST, PORT)).into());
    sleep(PATIENCE);
    Ok(())
}

/// One round: another name and the first again, another namespace and back, another device.
fn churn(hosts: &Hosts, elsewhere: &Netns) -> Result<()> {
    hosts.client.run(|| {
        net::delay(DEVICE, DELAY)?;
        sleep(STAY);
        net::rename(DEVICE, RENAMED)?;
        sleep(STAY);
        net::rename(RENAMED, DEVICE)?;
        sleep(STAY);
        net::move_to(DEVICE, elsewhere)
    })?;
    elsewhere.run(|| net::move_to(DEVICE, &hosts.client))?;
    hosts.client.run(|| {
        end(DEVICE, SRC, SRC6)?;
        sleep(STAY);
        net::delete(net::index(DEVICE)?)
    })?;
    hosts.wire()
}
