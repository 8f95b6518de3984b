// SPDX-License-Identifier: GPL-2.0
//! Which rule decides when several cover a task; from when on, and until when; and that a
//! rule about what has gone decides nothing any more.

use crate::kernel::cgroup;
use crate::kernel::cgroup::Cgroup;
use crate::kernel::netns;
use crate::kernel::netns::Netns;
use crate::kernel::task::joined;
use crate::scenario::Report;
use crate::scenario::loading::rmmod::is_smc;
use crate::scenario::same;
use crate::smcify::rule::Rule;
use crate::smcify::set_default;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::prctl::set_name;
use nix::unistd::Uid;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::ffi::CString;
use std::thread::scope;

const USER: u32 = 1000;
const NAME: &str = "somebody";

/// A TCP socket as a program would ask for it.
fn socket() -> Result<Socket> {
    Ok(Socket::new(Domain::IPV4, Type::STREAM, None)?)
}

/// A socket of a thread of that name, with that effective user.
fn socket_of(name: &str, user: u32) -> Result<Socket> {
    let name = CString::new(name)?;
    scope(|threads| {
        joined(threads.spawn(|| {
            set_name(&name).context("prctl")?;
            become_user(user)?;
            socket()
        }))
    })
}

/// Changes the effective user of the calling thread alone, as no library does.
fn become_user(user: u32) -> Result<()> {
    let keep = Uid::from_raw(u32::MAX).as_raw();
    // SAFETY: setresuid(2) takes three numbers.
    let answer = unsafe { libc::syscall(libc::SYS_setresuid, keep, user, keep) };
    ensure!(
        answer == 0,
        "setresuid: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}

fn name_of(smc: bool) -> &'static str {
    match smc {
        true => "smc",
        false => "tcp",
    }
}

pub fn run(report: &mut Report) -> Result<()> {
    report.part("the most specific rule decides", most_specific);
    report.part("a rule acts at once, on new sockets only", at_once);
    report.part("what has gone", gone);
    Ok(())
}

/// Rules from the least to the most specific, each says the opposite of those before it.
fn most_specific(report: &mut Report) -> Result<()> {
    let (outer, other) = (Cgroup::new("outer")?, Cgroup::new("other")?);
    let inner = outer.below("inner")?;
    let names = [
        format!("netns:{}", netns::cookie()?),
        format!("uid:{USER}"),
        format!("comm:{NAME}"),
        format!("cgroup:{}", cgroup::root()?),
        format!("cgroup:{}", outer.id()?),
        format!("cgroup:{}", inner.id()?),
    ];
    let others = [
        "uid:1001",
        "comm:somebod",
        "comm:somebody2",
        &format!("cgroup:{}", other.id()?),
    ];
    let _others = others
        .map(Rule::add)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    inner.with(|| {
        let (mut rules, mut expected) = (Vec::new(), false);
        for name in &names {
            expected = !expected;
            rules.push(Rule::saying(name_of(expected), name)?);
            let found = is_smc(&socket_of(NAME, USER)?)?;
            report.check(format!("{name}, added"), same("SMC", expected, found));
        }
        while let Some(rule) = rules.pop() {
            drop(rule);
            expected = !expected;
            let found = is_smc(&socket_of(NAME, USER)?)?;
            report.check(
                format!("{} rules left", rules.len()),
                same("SMC", expected, found),
            );
        }
        set_default("smc")?;
        let found = is_smc(&socket_of(NAME, USER)?)?;
        set_default("tcp")?;
        report.check("default, without rules", same("SMC", true, found));
        Ok(())
    })
}

/// Sockets before, under and after a rule; none changes what it is.
fn at_once(report: &mut Report) -> Result<()> {
    // It covers nobody: while any rule says `smc`, those that say `tcp` are asked too.
    let _smc = Rule::add("comm:nobody")?;
    let before = socket()?;
    let rule = Rule::add("uid:0")?;
    let under = socket()?;
    same("action of a new rule", "smc", &rule.action()?)?;
    rule.set("tcp\n")?;
    same("action read back", "tcp", &rule.action()?)?;
    let refused = socket()?;
    rule.set("smc")?;
    let again = socket()?;
    report.check("hits", same("hits", 3, rule.hits()?));
    drop(rule);
    let after = socket()?;
    let kinds = [&before, &under, &refused, &again, &after].map(is_smc);
    let kinds = kinds.into_iter().collect::<Result<Vec<_>>>()?;
    report.check(
        "each socket",
        same("SMC", vec![false, true, false, true, false], kinds),
    );
    Ok(())
}

/// A cgroup and a namespace are removed under their rules, and others are made.
fn gone(report: &mut Report) -> Result<()> {
    let (cgroup, netns) = (Cgroup::new("gone")?, Netns::new()?);
    let by_cgroup = Rule::add(&format!("cgroup:{}", cgroup.id()?))?;
    let by_netns = Rule::add(&format!("netns:{}", netns.run(netns::cookie)?))?;
    let covered = [cgroup.with(socket)?, netns.run(socket)?];
    for socket in &covered {
        report.check("before", same("SMC", true, is_smc(socket)?));
    }
    drop((cgroup, netns));
    let hits = (by_cgroup.hits()?, by_netns.hits()?);
    for round in 0..3 {
        let (cgroup, netns) = (Cgroup::new("gone")?, Netns::new()?);
        let found = (is_smc(&cgroup.with(socket)?)?, is_smc(&netns.run(socket)?)?);
        report.check(
            format!("another of the same name, {round}"),
            same("SMC", (false, false), found),
        );
    }
    let now = (by_cgroup.hits()?, by_netns.hits()?);
    report.check("the rules are inert", same("hits", hits, now));
    Ok(())
}
