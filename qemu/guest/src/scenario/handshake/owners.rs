// SPDX-License-Identifier: GPL-2.0
//! A network namespace has one hs_ctrl, and whoever has one there counts a reference of the
//! module that owns it. Rules come and go, the sysctl is written, somebody else's hs_ctrl is
//! put there, namespaces come and go: nobody takes what is not his, and nothing is left.

use crate::kernel::kmsg::Follow;
use crate::kernel::module;
use crate::kernel::net;
use crate::kernel::netns;
use crate::kernel::netns::Netns;
use crate::kernel::task::joined;
use crate::kernel::until::until;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::handshake::hs_ctrl;
use crate::scenario::handshake::hs_ctrl::Other;
use crate::scenario::loading::rmmod::EXPEDITED;
use crate::scenario::same;
use crate::smcify;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::fs::write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// A rule that no connection here meets.
const RULE: &str = "port:1";
const ROUNDS: usize = 3;
/// Rules made and removed in each.
const RULES: usize = 2;
const OURS: &str = "smcify";

/// The scenario. It has a guest of its own: then there is one network namespace at first.
pub fn run(report: &mut Report) -> Result<()> {
    let [one, two, three] = [room()?, room()?, room()?];
    step_by_step(report, [&one, &two, &three])?;
    write(EXPEDITED, "1").with_context(|| EXPEDITED)?;
    all_at_once(report, [&one, &two, &three])?;
    write(EXPEDITED, "0").with_context(|| EXPEDITED)?;
    report.check("nothing is left", smcify::nothing_left());
    Ok(())
}

/// A network namespace in which one can connect to oneself.
fn room() -> Result<Netns> {
    let netns = Netns::new()?;
    netns.run(|| net::up("lo"))?;
    Ok(netns)
}

/// What `handshake` shows, what the sysctl of each namespace does, and how many references
/// there are of smcify beyond those of the rule's directory.
fn is(smcify: &Smcify, shown: &str, names: &[(&Netns, &str)], references: u64) -> Result<()> {
    same("handshake", shown.to_owned(), smcify.handshake()?)?;
    for (netns, name) in names {
        same("hs_ctrl", (*name).to_owned(), netns.run(hs_ctrl::name)?)?;
    }
    same("references", references, module::references(OURS)?)
}

fn step_by_step(report: &mut Report, [one, two, three]: [&Netns; 3]) -> Result<()> {
    let smcify = Smcify::load()?;
    let idle = |names: &[(&Netns, &str)]| is(&smcify, "idle", names, 0);
    report.check("idle without rules", idle(&[(one, ""), (two, "")]));
    let rule = Rule::add(RULE)?;
    // Those of the directory: configfs's own business.
    let directory = module::references(OURS)? - 4;
    let with =
        |shown, names: &[(&Netns, &str)], places| is(&smcify, shown, names, directory + places);
    let names = [(one, OURS), (two, OURS), (three, OURS)];
    report.check("a rule: published", with("published 4 taken 0", &names, 4));
    let second = Rule::add("port:2")?;
    let more = module::references(OURS)?;
    let directory2 = more - directory - 4;
    report.check(
        "a second rule: as before",
        same("directories", directory, directory2),
    );
    drop(second);

    let new = Netns::new()?;
    let names = [(&new, OURS), (one, OURS)];
    report.check(
        "a new namespace has it",
        with("published 5 taken 0", &names, 5),
    );
    drop(new);
    // It is off the list some time before its place is emptied.
    let back = || Ok(module::references(OURS)? == directory + 4);
    report.check("and gives it back", until("its reference", back));
    report.check("then it is gone", with("published 4 taken 0", &[], 4));

    one.run(hs_ctrl::clear)?;
    let names = [(one, ""), (two, OURS)];
    report.check(
        "cleared by the sysctl",
        with("published 3 taken 0", &names, 3),
    );
    let busy = module::try_unload(OURS)?.is_err();
    report.check(
        "no rmmod while there are rules",
        same("refused", true, busy),
    );
    drop(rule);
    report.check(
        "the rule removed",
        idle(&[(one, ""), (two, ""), (three, "")]),
    );

    let other = Other::load()?;
    two.run(|| other.take())?;
    let mut log = Follow::now()?;
    let rule = Rule::add(RULE)?;
    let names = [(one, OURS), (two, "other"), (three, OURS)];
    report.check(
        "somebody else's stays",
        with("published 3 taken 1", &names, 3),
    );
    let cookie = two.run(netns::cookie)?;
    report.check("and one line says so", one_line(&log.lines(), cookie));
    three.run(|| other.take())?;
    let names = [(one, OURS), (two, "other"), (three, "other")];
    report.check(
        "and may take ours' place",
        with("published 2 taken 2", &names, 2),
    );
    let asked = other.calls()?;
    three.run(call)?;
    report.check(
        "which is asked then",
        same("calls", asked + 1, other.calls()?),
    );
    drop(rule);
    report.check(
        "it outlives the rules",
        idle(&[(one, ""), (two, "other"), (three, "other")]),
    );
    report.check(
        "with its references",
        same("references", 2, other.references()?),
    );
    two.run(hs_ctrl::clear)?;
    three.run(hs_ctrl::clear)?;

    other.inherit()?;
    other.take()?;
    let rule = Rule::add(RULE)?;
    let heir = Netns::new()?;
    let names = [(&heir, "other"), (two, OURS)];
    report.check(
        "what is inherited stays",
        with("published 3 taken 2", &names, 3),
    );
    drop(heir);
    hs_ctrl::clear()?;
    let back = || Ok(other.references()? == 0);
    report.check("and is given back", until("its references", back));
    drop(rule);
    drop(other);
    report.check("rmmod", smcify.unload());
    Ok(())
}

/// The line in the kernel log about the one namespace where somebody else's is.
fn one_line(log: &[String], cookie: u64) -> Result<()> {
    let ours: Vec<_> = log.iter().filter(|l| l.starts_with("smcify: ")).collect();
    let expected = format!("network namespace {cookie} has an hs_ctrl, \"other\": left alone");
    ensure!(
        matches!(ours[..], [line] if line.contains(&expected)),
        "the kernel log has {ours:?}"
    );
    Ok(())
}

/// A connection of SMC sockets in this thread's namespace, which nobody accepts.
fn call() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    ensure!(socket.connect(&nobody.into()).is_err(), "somebody listens");
    Ok(())
}

/// What the threads have done.
#[derive(Default)]
struct Done {
    stop: AtomicBool,
    /// Times that the sysctl was cleared when it showed smcify's name.
    cleared: AtomicU64,
    taken: AtomicU64,
    namespaces: AtomicU64,
    calls: AtomicU64,
}

impl Done {
    /// Does something until told to stop, and counts.
    fn keep(&self, count: &AtomicU64, mut run: impl FnMut() -> Result<bool>) -> Result<()> {
        while !self.stop.load(Relaxed) {
            let did = run().inspect_err(|e| eprintln!("{e:#}"))?;
            count.fetch_add(did.into(), Relaxed);
        }
        Ok(())
    }
}

fn all_at_once(report: &mut Report, [one, two, three]: [&Netns; 3]) -> Result<()> {
    let other = Other::load()?;
    let done = &Done::default();
    let begun = Instant::now();
    let clear = || {
        let ours = hs_ctrl::name()? == OURS;
        hs_ctrl::clear()?;
        sleep(Duration::from_millis(3));
        Ok(ours)
    };
    let take = || {
        other.take()?;
        sleep(Duration::from_millis(2));
        hs_ctrl::clear()?;
        sleep(Duration::from_millis(5));
        Ok(true)
    };
    let come_and_go = || {
        room()?.run(call)?;
        // The end of a namespace takes long, and rules wait for it.
        sleep(Duration::from_millis(300));
        Ok(true)
    };
    let call = || {
        call()?;
        sleep(Duration::from_millis(2));
        Ok(true)
    };
    let (rounds, threads) = scope(|threads| {
        let working = [
            threads.spawn(|| one.run(|| done.keep(&done.cleared, clear))),
            threads.spawn(|| two.run(|| done.keep(&done.cleared, clear))),
            threads.spawn(|| three.run(|| done.keep(&done.taken, take))),
            threads.spawn(|| done.keep(&done.namespaces, come_and_go)),
            threads.spawn(|| two.run(|| done.keep(&done.calls, call))),
            threads.spawn(|| three.run(|| done.keep(&done.calls, call))),
            threads.spawn(|| done.keep(&done.calls, call)),
        ];
        let rounds = rounds();
        done.stop.store(true, Relaxed);
        let ends = working.into_iter().map(joined);
        (rounds, ends.collect::<Result<Vec<()>>>())
    });
    let [cleared, taken, namespaces, calls] =
        [&done.cleared, &done.taken, &done.namespaces, &done.calls].map(|it| it.load(Relaxed));
    let seconds = begun.elapsed().as_secs_f32();
    report.note(format!(
        "{ROUNDS} rounds in {seconds:.0} s: cleared {cleared} times, taken {taken} times, \
         {namespaces} namespaces, {calls} connections"
    ));
    report.check(format!("{ROUNDS} rounds of insmod, rules, rmmod"), rounds);
    report.check("the others", threads.map(drop));
    for (what, count) in [
        ("cleared", cleared),
        ("taken", taken),
        ("namespaces", namespaces),
    ] {
        let enough = || {
            ensure!(count >= ROUNDS as u64, "only {count}");
            Ok(())
        };
        report.check(format!("often enough: {what}"), enough());
    }
    let back = || Ok(other.references()? == 0);
    report.check("the other has all back", until("its references", back));
    Ok(())
}

fn rounds() -> Result<()> {
    for round in 0..ROUNDS {
        let here = || format!("round {round}");
        let smcify = Smcify::load().with_context(here)?;
        for _ in 0..RULES {
            let rule = Rule::add(RULE).with_context(here)?;
            sleep(Duration::from_millis(4));
            let shown = smcify.handshake()?;
            ensure!(shown.starts_with("published "), "round {round}: {shown}");
            drop(rule);
            same("handshake", "idle".into(), smcify.handshake()?).with_context(here)?;
        }
        same("references", 0, module::references(OURS)?).with_context(here)?;
        smcify.unload().with_context(here)?;
    }
    Ok(())
}
