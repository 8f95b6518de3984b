// SPDX-License-Identifier: GPL-2.0
//! What TCP promises, asked of TCP, of sockets that smcify selects, of those that fall back, and of
//! SMC's own: the same questions in the same run. TCP's answer is the right one, and nobody has
//! typed it in. Selected sockets and fallbacks must give it; that a question can be failed is seen
//! by the answer of explicit SMC, for which `Tells` says whether it differs.

pub mod closing;
mod connecting;
pub mod ends;
mod options;
pub mod place;
mod polling;
mod receiving;
mod sending;

use super::Report;
use super::data::transfer::LOOPBACKS;
use crate::kernel::task::joined;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Result;
use anyhow::bail;
use place::Kind;
use place::Place;
use std::net::IpAddr;
use std::thread::scope;

/// What explicit SMC says to a question.
#[derive(Clone, Copy, PartialEq)]
pub enum Tells {
    /// As TCP.
    Same,
    /// Something else: that is what smcify mends.
    Other,
    /// That depends on the kernel.
    Either,
}

/// What is asked; TCP first, whose answer is right.
const KINDS: [Kind; 5] = [
    Kind::Tcp,
    Kind::Explicit,
    Kind::Selected,
    Kind::ServerAlone,
    Kind::ClientAlone,
];

/// A question and who asks it.
pub type Question = (&'static str, Tells, fn(&Place) -> Result<String>);

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    // Whatever the default is, the hook stays attached: to take it off takes a while.
    let _kept = Rule::saying("smc", "comm:nobody")?;
    sending::count_pipes()?;
    let subjects: [(&str, &[Question]); 6] = [
        ("sending", &sending::QUESTIONS),
        ("receiving", &receiving::QUESTIONS),
        ("closing", &closing::QUESTIONS),
        ("connecting", &connecting::QUESTIONS),
        ("polling", &polling::QUESTIONS),
        ("options", &options::QUESTIONS),
    ];
    for (subject, questions) in subjects {
        report.group(subject, |report| {
            for question in questions {
                for ip in LOOPBACKS {
                    ask(report, &smcify, *question, ip);
                }
            }
        });
    }
    Ok(())
}

/// Asks all kinds of sockets one question, over one family.
fn ask(report: &mut Report, smcify: &Smcify, question: Question, ip: IpAddr) {
    let (name, tells, ask) = question;
    let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    let answer = |kind| ask(&Place { smcify, kind, ip });
    // All at a time: most of it is waiting.
    let [right, explicit, others @ ..] = scope(|scope| {
        let asked = KINDS.map(|kind| scope.spawn(move || answer(kind)));
        asked.map(joined)
    });
    let right = match right {
        Ok(right) => right,
        Err(e) => return report.check(format!("{name}, {family}: TCP"), Err(e)),
    };
    for (kind, other) in KINDS.iter().skip(2).zip(others) {
        let name = format!("{name}, {family}: {kind:?} as TCP");
        report.check(name, other.and_then(|it| as_right(&right, &it)));
    }
    let explicit = explicit.unwrap_or_else(|e| format!("{e:#}"));
    let differs = match tells {
        Tells::Same => as_right(&right, &explicit),
        Tells::Other if right == explicit => Err(anyhow::anyhow!("as TCP: {right}")),
        Tells::Other | Tells::Either => Ok(()),
    };
    report.check(format!("{name}, {family}: explicit SMC is known"), differs);
}

pub fn as_right(right: &str, found: &str) -> Result<()> {
    if right != found {
        bail!("TCP says {right}, this {found}");
    }
    Ok(())
}
