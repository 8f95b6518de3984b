// SPDX-License-Identifier: GPL-2.0
//! rmmod while threads are inside each of the functions that are fixed.
//!
//! In three of them a call sleeps while smcify holds the device of its connection: there the
//! scenario keeps the threads, has smcify unloaded, and lets them go.
//!
//! The other two never sleep, so that nobody can be kept inside them: there the threads call
//! again and again while smcify comes and goes, and calls must have come and gone during rmmod.
//! Those of `smc_clc_prfx_match()` are made by the kernel's workers, on behalf of hand-made
//! clients that propose.

use super::clc;
use super::clc::Street;
use super::clc::keep_on;
use super::egress::BEFORE;
use super::egress::BY_TCPSK;
use super::egress::Case;
use super::egress::FIND_ISM;
use super::egress::FIND_ROCE;
use super::egress::Path;
use super::egress::connect;
use crate::kernel::module;
use crate::kernel::net;
use crate::kernel::smc::NoDevice;
use crate::kernel::task::Task;
use crate::kernel::task::joined;
use crate::kernel::ulp;
use crate::kernel::until::until;
use crate::scenario::Report;
use crate::scenario::fixes::locks::Hold;
use crate::scenario::fixes::locks::Locks;
use crate::scenario::fixes::locks::RTNL;
use crate::scenario::same;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::errno::Errno;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::sleep;
use std::thread::yield_now;
use std::time::Duration;

const THREADS: usize = 8;
/// Where smcify waits for the calls: of all functions in which rmmod sleeps, the one with a
/// mangled name, so the one in Rust.
const HOLD_DROP: &str = "_R";
/// How often smcify comes and goes over a function that does not sleep.
const ROUNDS: usize = 2;
/// How long a client waits that proposes. Else insmod and rmmod would wait for a processor.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than an rmmod takes that nobody delays.
const LONG: Duration = Duration::from_secs(1);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    for case in [BY_TCPSK, FIND_ISM, FIND_ROCE] {
        group(report, case.function, |report| asleep(report, &case));
    }
    group(report, ulp::INIT, refused);
    group(report, clc::MATCH, answered);
    Ok(())
}

fn group(report: &mut Report, function: &str, run: impl FnOnce(&mut Report) -> Result<()>) {
    report.group(function, |report| {
        if let Err(e) = run(report) {
            report.check("runs to its end", Err(e));
        }
    });
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

/// What threads do again and again, and how often they have.
#[derive(Default)]
struct Work {
    over: AtomicBool,
    calls: AtomicU64,
    /// How often while rmmod was under way.
    meanwhile: AtomicU64,
}

/// Has all threads at `work` while smcify comes and goes.
fn awake(
    report: &mut Report,
    function: &str,
    work: impl Fn(&Work) -> Result<()> + Sync,
) -> Result<()> {
    let shared = Work::default();
    let (rounds, threads) = scope(|threads| {
        let working: Vec<_> = (0..THREADS)
            .map(|_| threads.spawn(|| work(&shared)))
            .collect();
        let rounds = (0..ROUNDS).try_for_each(|_| round(function, &shared));
        shared.over.store(true, Relaxed);
        let ends = working.into_iter().map(joined);
        (rounds, ends.collect::<Result<Vec<()>>>())
    });
    let (calls, meanwhile) = (shared.calls.load(Relaxed), shared.meanwhile.load(Relaxed));
    report.note(format!("{calls} calls, {meanwhile} during rmmod"));
    report.check(format!("{ROUNDS} rounds of insmod and rmmod"), rounds);
    report.check(format!("{THREADS} threads are answered"), threads.map(drop));
    report.check("so they are during rmmod", many(meanwhile));
    report.check("nothing is left", nothing_left());
    Ok(())
}

fn many(meanwhile: u64) -> Result<()> {
    let enough = (ROUNDS * THREADS) as u64;
    ensure!(meanwhile >= enough, "{meanwhile} calls during rmmod");
    Ok(())
}

/// Calls with smcify, and calls without.
fn round(function: &str, work: &Work) -> Result<()> {
    let some_calls = |when: &str| {
        let enough = work.calls.load(Relaxed) + THREADS as u64;
        until(when, || Ok(work.calls.load(Relaxed) >= enough))
    };
    let smcify = Smcify::load()?;
    smcify.has_fixed(function)?;
    some_calls("a call with smcify")?;
    let before = work.calls.load(Relaxed);
    smcify.unload()?;
    let meanwhile = work.calls.load(Relaxed) - before;
    work.meanwhile.fetch_add(meanwhile, Relaxed);
    some_calls("a call without")
}

/// Asks for the ULP on connected sockets: the kernel's own function refuses those as well,
/// for a reason of its own.
fn refused(report: &mut Report) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = listener.local_addr()?;
    let seen = [&AtomicU64::new(0), &AtomicU64::new(0)];
    awake(report, ulp::INIT, |work| {
        let socket = TcpStream::connect(at)?;
        while !work.over.load(Relaxed) {
            let seen = match ulp::ask(&socket) {
                ulp::REFUSED => seen[0],
                Err(Errno::ENOTCONN) => seen[1],
                answer => bail!("{answer:?}"),
            };
            seen.fetch_add(1, Relaxed);
            work.calls.fetch_add(1, Relaxed);
            // A refusal never sleeps. Without this, taking off what is attached waits seconds
            // for a grace period of RCU tasks.
            yield_now();
        }
        Ok(())
    })?;
    let both = seen.map(|count| count.load(Relaxed) > 0);
    let same = same("seen", [true; 2], both);
    report.check("some by smcify, some by the kernel", same);
    Ok(())
}

/// Proposes prefixes: the answers are the same with smcify and without.
fn answered(report: &mut Report) -> Result<()> {
    let street = Street::build()?;
    awake(report, clc::MATCH, |work| {
        let propose = || keep_on(&street, PAUSE, &work.over, &work.calls);
        street.client.run(propose)
    })?;
    report.check("no reference to the device is left", street.close());
    Ok(())
}
