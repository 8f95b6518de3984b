// SPDX-License-Identifier: GPL-2.0
//! rmmod while threads are inside each of the functions that are fixed.
//!
//! In three of them a call sleeps while smcify holds the device of its connection: there the
//! scenario keeps the threads, has smcify unloaded, and lets them go.

use super::Report;
use super::egress::BEFORE;
use super::egress::BY_TCPSK;
use super::egress::Case;
use super::egress::FIND_ISM;
use super::egress::FIND_ROCE;
use super::egress::Path;
use super::egress::connect;
use super::same;
use crate::locks::Hold;
use crate::locks::Locks;
use crate::locks::RTNL;
use crate::module;
use crate::net;
use crate::smc::NoDevice;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use crate::task::Task;
use anyhow::Result;
use std::thread::sleep;
use std::time::Duration;

const THREADS: usize = 8;
/// Where smcify waits for the calls: of all functions in which rmmod sleeps, the one with a
/// mangled name, so the one in Rust.
const HOLD_DROP: &str = "_R";
/// Longer than an rmmod takes that nobody delays.
const LONG: Duration = Duration::from_secs(2);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    for case in [BY_TCPSK, FIND_ISM, FIND_ROCE] {
        report.group(case.function, |report| {
            if let Err(e) = asleep(report, &case) {
                report.check("runs to its end", Err(e));
            }
        });
    }
    Ok(())
}

/// Unloads smcify while all threads sleep in the function of `case`.
fn asleep(report: &mut Report, case: &Case) -> Result<()> {
    let smcify = Smcify::load()?;
    // Then connect() ends by itself, and does not ask the peer.
    let _hidden = NoDevice::hide()?;
    let path = Path::lay(case.vlan)?;
    let locks = Locks::load()?;
    let (rtnl, calls) = send_in(case, &locks)?;

    smcify.leave();
    let unload = Task::start(|| module::unload("smcify"))?;
    unload.until_asleep_right_in(&[HOLD_DROP])?;
    sleep(LONG);
    let still = calls.iter().filter(|call| !call.is_done()).count();
    let waiting = (THREADS, false);
    report.check(
        format!("rmmod waits for {THREADS} threads"),
        same("calls, rmmod done", waiting, (still, unload.is_done())),
    );
    drop(rtnl);
    for call in calls {
        call.result("connect()")??;
    }
    report.check("rmmod ends", unload.result("rmmod")?);
    report.check("nothing is left", nothing_left());
    // Which waits for every reference.
    let egress = path.egress;
    let delete = Task::start(move || net::delete(egress))?;
    let deleted = delete.result("the delete");
    report.check("no reference to the device is left", deleted?);
    Ok(())
}

/// Has all threads wait for RTNL inside the function of `case`.
fn send_in(case: &Case, locks: &Locks) -> Result<(Hold, Vec<Task<Result<()>>>)> {
    let start = || -> Result<Vec<_>> { (0..THREADS).map(|_| Task::start(connect)).collect() };
    let (rtnl, calls) = match case.before {
        None => (locks.take(RTNL)?, start()?),
        Some(lock) => {
            let before = locks.take(lock)?;
            let calls = start()?;
            for call in &calls {
                call.until_asleep_right_in(&[BEFORE])?;
            }
            let rtnl = locks.take(RTNL)?;
            drop(before);
            (rtnl, calls)
        }
    };
    for call in &calls {
        call.until_asleep_in(case.function)?;
    }
    Ok((rtnl, calls))
}
