// SPDX-License-Identifier: GPL-2.0
//! Proposals of all sorts, and the answer to each.

use super::model;
use super::street::DEVICE;
use super::street::Street;
use crate::kernel::smc::Network;
use crate::scenario::Report;
use crate::scenario::fixes::clc::client::Devices;
use crate::scenario::fixes::clc::client::Prefixes;
use crate::scenario::fixes::clc::client::Proposal;
use crate::scenario::same;
use anyhow::Context;
use anyhow::Result;
use std::ffi::CString;
use std::net::Ipv6Addr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

const DEVICES: [Devices; 3] = [Devices::Rdma, Devices::Ism, Devices::Both];

/// Prefixes of one address, each with the length that is proposed.
const PREFIXES: [(&str, u8); 32] = [
    ("10.97.1.0", 24),
    ("10.97.1.77", 24),
    ("10.97.1.0", 23),
    ("10.97.1.0", 25),
    ("10.97.0.0", 24),
    ("10.97.2.0", 24),
    ("10.97.1.1", 32),
    ("11.97.1.0", 24),
    ("192.168.64.0", 20),
    ("192.168.79.255", 20),
    ("192.168.80.0", 20),
    ("192.168.77.0", 24),
    // An address with a peer: the subnet is the peer's.
    ("10.97.6.0", 24),
    ("10.97.5.0", 24),
    // Of another device, and of the client alone.
    ("127.0.0.0", 8),
    ("10.97.9.0", 24),
    ("0.0.0.0", 0),
    ("255.255.255.255", 32),
    ("10.97.1.0", 33),
    ("10.97.1.0", 255),
    ("fd97:1::", 64),
    ("fd97:1::ffff", 64),
    ("fd97:1::", 63),
    ("fd97:1:0:1::", 64),
    ("2001:db8:96::", 47),
    ("2001:db8:97::", 47),
    ("2001:db8:98::", 47),
    ("fe80::", 64),
    ("::1", 128),
    ("::", 0),
    ("fd97:1::", 129),
    ("fd97:1::", 255),
];

/// Makes each Proposal for each kind of device.
pub fn run(report: &mut Report, street: &Street) -> Result<()> {
    report.group("to a listener without SMC devices", |report| {
        each(report, street, &DEVICES, false);
        let found = street.client.run(|| lengths(street));
        report.check("lengths of a prefix", found);
    });
    let network = Network::of_loopback(c"CLC")?;
    network.join(&CString::new(DEVICE)?)?;
    report.group("to a listener with an ISM device", |report| {
        each(report, street, &[Devices::Ism], true);
    });
    Ok(())
}

/// What must still hold when all the others are through.
pub fn after_all(report: &mut Report, street: &Street) {
    report.check("the listener answers as before", good(street));
}

/// A few Proposals, which must be answered as ever.
fn good(street: &Street) -> Result<()> {
    street.client.run(|| {
        for (prefix, length) in PREFIXES {
            let prefixes = Prefixes::one(prefix.parse()?, length);
            answered(street, Devices::Rdma, &prefixes, false)?;
        }
        Ok(())
    })
}

/// Proposes from the calling thread until `over`, each time after a `pause`, and counts; each
/// Proposal is answered as ever.
pub fn keep_on(
    street: &Street,
    pause: Duration,
    over: &AtomicBool,
    asked: &AtomicU64,
) -> Result<()> {
    for (prefix, length) in PREFIXES.iter().cycle() {
        if over.load(Relaxed) {
            break;
        }
        sleep(pause);
        let (prefixes, begun) = (Prefixes::one(prefix.parse()?, *length), Instant::now());
        answered(street, Devices::Rdma, &prefixes, false)
            .with_context(|| format!("after {:?}", begun.elapsed()))?;
        asked.fetch_add(1, Relaxed);
    }
    Ok(())
}

fn each(report: &mut Report, street: &Street, devices: &[Devices], ism: bool) {
    for (name, prefixes) in proposals() {
        let found = street.client.run(|| {
            let mut devices = devices.iter();
            devices.try_for_each(|devices| answered(street, *devices, &prefixes, ism))
        });
        let answer = |devices| model::answer(devices, &prefixes, ism).to_string();
        let mut expected: Vec<_> = devices.iter().map(|it| answer(*it)).collect();
        expected.dedup();
        report.check(format!("{name}: {}", expected.join(", ")), found);
    }
}

/// All the prefixes that are proposed, with a name for each set.
fn proposals() -> Vec<(String, Prefixes)> {
    let ours = Ipv6Addr::new(0xfd97, 1, 0, 0, 0, 0, 0, 0);
    let foreign = |n: u16| (Ipv6Addr::new(0xfd98, n, 0, 0, 0, 0, 0, 0), 64);
    let mut all: Vec<_> = PREFIXES
        .into_iter()
        .filter_map(|(prefix, length)| {
            let prefixes = Prefixes::one(prefix.parse().ok()?, length);
            Some((prefixes.to_string(), prefixes))
        })
        .collect();
    for count in [2, 7, 8, 9, 16] {
        let foreigners: Vec<_> = (1..count).map(foreign).collect();
        for last in [(ours, 64), foreign(0)] {
            let prefixes = Prefixes::V6([foreigners.as_slice(), &[last]].concat());
            all.push((prefixes.to_string(), prefixes));
        }
    }
    all
}

fn lengths(street: &Street) -> Result<()> {
    let ipv6 = [0, 1, 8, 31, 32, 33, 62, 63, 64, 65, 66, 96, 127, 128, 129];
    let each = (0..=33).map(|length| ("10.97.1.0", length));
    for (prefix, length) in each.chain(ipv6.map(|length| ("fd97:1::", length))) {
        let prefixes = Prefixes::one(prefix.parse()?, length);
        answered(street, Devices::Rdma, &prefixes, false)?;
    }
    Ok(())
}

/// Over IPv4 and IPv6 in turn: which family the connection itself is makes no difference.
fn answered(street: &Street, devices: Devices, prefixes: &Prefixes, ism: bool) -> Result<()> {
    let expected = model::answer(devices, prefixes, ism);
    let proposal = Proposal::v1(devices, prefixes.clone());
    let at = street.next_address();
    let found = street.ask(at, &proposal.bytes())?;
    same(
        &format!("{prefixes} for {devices:?}, to {at}"),
        expected,
        found,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::fixes::clc::client::Answer;

    #[test]
    fn the_table_has_each_answer() {
        let answers = |ism| -> Vec<Answer> {
            let all = proposals();
            assert_eq!(all.len(), PREFIXES.len() + 10);
            let each = DEVICES
                .iter()
                .flat_map(|&devices| all.iter().map(move |it| (devices, &it.1)));
            each.map(|(devices, prefixes)| model::answer(devices, prefixes, ism))
                .collect()
        };
        assert!(answers(true).contains(&Answer::Accepted));
        assert!(answers(false).contains(&Answer::Closed));
        let matching = |it: &&Answer| **it != Answer::Closed;
        assert!(answers(false).iter().filter(matching).count() > 100);
    }
}
