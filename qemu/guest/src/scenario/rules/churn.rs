// SPDX-License-Identifier: GPL-2.0
//! Rules come and go by the thousand while threads make sockets without pause: each socket
//! is decided on by the one rule that covers it, whatever happens to the others.

use crate::kernel::netns;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::scenario::loading::rmmod::is_smc;
use crate::scenario::same;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::time::Instant;

const THREADS: usize = 8;
/// How many rules there are at a time, so that the tables grow and lists are cut.
const AT_ONCE: usize = 50;

/// The scenario.
pub fn churn(report: &mut Report, rules: usize) -> Result<()> {
    let smcify = Smcify::load()?;
    // It stays, and decides: what comes and goes covers others, or nobody.
    let rule = Rule::add(&format!("netns:{}", netns::cookie()?))?;
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    let (changed, made) = scope(|threads| {
        let working: Vec<_> = (0..THREADS)
            .map(|_| threads.spawn(|| sockets(&stop)))
            .collect();
        let changed = come_and_go(rules);
        stop.store(true, Relaxed);
        let made: Result<Vec<u64>> = working.into_iter().map(joined).collect();
        (changed, made)
    });
    let seconds = begun.elapsed().as_secs_f32();
    report.check(format!("{rules} rules"), changed);
    let made = made.map(|each| each.iter().sum::<u64>());
    if let Ok(made) = &made {
        report.note(format!(
            "{rules} rules in {seconds:.1} s, {made} sockets meanwhile"
        ));
    }
    let decided = made.and_then(|made| same("sockets decided upon", made, rule.hits()?));
    report.check(format!("{THREADS} threads, every socket SMC"), decided);
    drop(rule);
    report.check("rmmod", smcify.unload());
    report.check("nothing is left", nothing_left());
    Ok(())
}

/// Makes `count` rules of each kind in turn and removes them, some at a time.
fn come_and_go(count: usize) -> Result<()> {
    let mut number = 0;
    while number < count {
        let end = count.min(number + AT_ONCE);
        let mut rules = (number..end)
            .map(|number| match number % 4 {
                0 => Rule::add(&format!("cgroup:{}", 1_000_000 + number)),
                1 => Rule::add(&format!("comm:churn-{number}")),
                2 => Rule::add(&format!("uid:{}", 1_000_000 + number)),
                _ => Rule::add(&format!("netns:{}", 1_000_000 + number)),
            })
            .collect::<Result<Vec<_>>>()?;
        for rule in &rules {
            ensure!(rule.hits()? == 0, "a rule about nobody has decided");
        }
        // The oldest first, or the youngest: the middle of lists, their heads, their ends.
        if number % (2 * AT_ONCE) == 0 {
            rules.reverse();
        }
        drop(rules);
        number = end;
    }
    Ok(())
}

/// Makes sockets until told to stop; how many.
fn sockets(stop: &AtomicBool) -> Result<u64> {
    // Behind the rules: there are more threads than processors.
    // SAFETY: nice(2) takes a number; it is that of the calling thread.
    unsafe { libc::nice(19) };
    let mut made = 0;
    while !stop.load(Relaxed) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("socket")?;
        made += 1;
        ensure!(is_smc(&socket)?, "socket {made} is not SMC");
    }
    Ok(made)
}
