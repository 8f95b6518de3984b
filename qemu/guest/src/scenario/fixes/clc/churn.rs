// SPDX-License-Identifier: GPL-2.0
//! Proposals while addresses and devices come and go as fast as they can.

use super::street::DEVICE;
use super::street::Street;
use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::kernel::task::joined;
use crate::kernel::until::until;
use crate::scenario::Report;
use crate::scenario::fixes::clc::client::Answer;
use crate::scenario::fixes::clc::client::DIFFERENT_PREFIX;
use crate::scenario::fixes::clc::client::Devices;
use crate::scenario::fixes::clc::client::NO_DEVICE;
use crate::scenario::fixes::clc::client::Prefixes;
use crate::scenario::fixes::clc::client::Proposal;
use crate::scenario::fixes::clc::client::ask;
use anyhow::Error;
use anyhow::Result;
use anyhow::ensure;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::scope;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// How long addresses come and go.
const TIME: Duration = Duration::from_millis(1500);

/// These, on the device that stays.
const ADDRESSES: [(IpAddr, u8); 4] = [
    (IpAddr::V4(Ipv4Addr::new(10, 97, 9, 1)), 24),
    (IpAddr::V4(Ipv4Addr::new(10, 97, 10, 1)), 28),
    (IpAddr::V6(Ipv6Addr::new(0xfd97, 9, 0, 0, 0, 0, 0, 1)), 64),
    (IpAddr::V6(Ipv6Addr::new(0xfd97, 10, 0, 0, 0, 0, 0, 1)), 72),
];

/// How many devices come and go, one after the other: the listener's end and the client's.
const DEVICES: u64 = 10;
const OWN: &str = "clc2";
const PEER: &str = "clc3";
/// Their addresses, the listener's and the client's.
const BETWEEN: [(IpAddr, IpAddr, u8); 2] = [
    (
        IpAddr::V4(Ipv4Addr::new(10, 98, 0, 1)),
        IpAddr::V4(Ipv4Addr::new(10, 98, 0, 2)),
        24,
    ),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 1)),
        IpAddr::V6(Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, 2)),
        64,
    ),
];
/// A client whose way to the listener is gone does not wait for it.
const IMPATIENCE: Duration = Duration::from_millis(250);
/// What it does when there is no way.
const PAUSE: Duration = Duration::from_millis(3);

/// How often each answer came, or which error.
type Answers = BTreeMap<String, u64>;

/// First addresses, then devices: who changes these and who proposes are two threads.
pub fn run(report: &mut Report, street: &Street) -> Result<()> {
    let over = AtomicBool::new(false);
    let (changes, answers) = scope(|threads| {
        let changing = threads.spawn(|| change_addresses(&over));
        let asking = threads.spawn(|| street.client.run(|| ask_while(street, &over)));
        sleep(TIME);
        over.store(true, Relaxed);
        (joined(changing), joined(asking))
    });
    report.note(format!("{} addresses in {TIME:?}", changes?));
    report.check(
        "addresses come and go: what is never there is never found",
        answers.and_then(|answers| found_now_and_then(report, &answers)),
    );

    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let (changed, answers) = scope(|threads| {
        let ask = || ask_by_device(street, &over, &answered);
        let asking = threads.spawn(move || street.client.run(ask));
        let changed = change_devices(street, &answered);
        over.store(true, Relaxed);
        (changed, joined(asking))
    });
    changed?;
    report.note(format!("{DEVICES} devices in {:?}", begun.elapsed()));
    report.check(
        "devices come and go: what is there is found",
        answers.and_then(|answers| found_now_and_then(report, &answers)),
    );
    Ok(())
}

fn found_now_and_then(report: &Report, answers: &Answers) -> Result<()> {
    for (answer, count) in answers {
        report.note(format!("{count} times {answer}"));
    }
    let expected = Answer::Declined(NO_DEVICE).to_string();
    ensure!(answers.contains_key(&expected), "never {expected}");
    Ok(())
}

fn change_addresses(over: &AtomicBool) -> Result<u64> {
    let mut changes = 0;
    while !over.load(Relaxed) {
        for (address, length) in ADDRESSES {
            net::add_address(DEVICE, address, length)?;
        }
        for (address, length) in ADDRESSES {
            net::delete_address(DEVICE, address, length)?;
        }
        changes += ADDRESSES.len() as u64;
    }
    Ok(changes)
}

/// Proposes what is there, what is never there, and what comes and goes.
fn ask_while(street: &Street, over: &AtomicBool) -> Result<Answers> {
    let never = Answer::Declined(DIFFERENT_PREFIX);
    let found = Answer::Declined(NO_DEVICE);
    let prefixes = |prefix: &str, length| Ok::<_, Error>(Prefixes::one(prefix.parse()?, length));
    let mut all = vec![
        (prefixes("10.97.1.0", 24)?, vec![found, never]),
        (prefixes("10.97.8.0", 24)?, vec![never]),
        (prefixes("fd97:1::", 64)?, vec![found, never]),
        (prefixes("fd97:8::", 64)?, vec![never]),
    ];
    for (address, length) in ADDRESSES {
        all.push((Prefixes::one(address, length), vec![found, never]));
    }
    let mut answers = Answers::new();
    let proposals = all.iter().cycle().take_while(|_| !over.load(Relaxed));
    for (prefixes, allowed) in proposals {
        let proposal = Proposal::v1(Devices::Rdma, prefixes.clone());
        let answer = street.ask(street.next_address(), &proposal.bytes())?;
        ensure!(allowed.contains(&answer), "{prefixes}: {answer}");
        *answers.entry(answer.to_string()).or_default() += 1;
    }
    Ok(answers)
}

/// A device is made, lives until a Proposal has come by and the next one is under way, and is
/// deleted, or moved away and deleted there.
fn change_devices(street: &Street, answered: &AtomicU64) -> Result<()> {
    let elsewhere = Netns::new()?;
    for number in 0..DEVICES {
        let before = answered.load(Relaxed);
        net::add_veth(OWN, PEER, &street.client)?;
        up(OWN, |(own, _, _)| own)?;
        street.client.run(|| up(PEER, |(_, peer, _)| peer))?;
        until("an answer by the device", || {
            Ok(answered.load(Relaxed) > before)
        })?;
        match number % 2 {
            0 => net::delete(net::index(OWN)?)?,
            _ => {
                net::move_to(OWN, &elsewhere)?;
                elsewhere.run(|| net::delete(net::index(OWN)?))?;
            }
        }
    }
    Ok(())
}

fn up(name: &str, address: fn((IpAddr, IpAddr, u8)) -> IpAddr) -> Result<()> {
    net::without_detection(name)?;
    for between in BETWEEN {
        net::add_address(name, address(between), between.2)?;
    }
    net::up(name)
}

/// Proposes by the device that is there only now and then, and may go at any moment.
fn ask_by_device(street: &Street, over: &AtomicBool, answered: &AtomicU64) -> Result<Answers> {
    let mut answers = Answers::new();
    let proposals = BETWEEN.iter().cycle().take_while(|_| !over.load(Relaxed));
    for (address, _, length) in proposals {
        let proposal = Proposal::v1(Devices::Rdma, Prefixes::one(*address, *length));
        let listener = SocketAddr::new(*address, street.port);
        let told = match ask(listener, &proposal.bytes(), IMPATIENCE) {
            Ok(answer) => {
                answered.fetch_add(1, Relaxed);
                answer.to_string()
            }
            Err(e) => {
                sleep(PAUSE);
                format!("{e:#}")
            }
        };
        *answers.entry(told).or_default() += 1;
    }
    Ok(answers)
}
