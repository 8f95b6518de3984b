// SPDX-License-Identifier: GPL-2.0
//! The guest's one binary: PID 1, the scenarios, the demonstration.

mod bench;
mod demo;
mod init;
mod kernel;
mod program;
mod scenario;
mod smcify;

use smc_netlink::diag;
use smc_netlink::request as netlink;
use std::process::ExitCode;

const USAGE: &str =
    "usage: guest list [--json] | check [NAME…] | scenario NAME… | demo | bench PART…";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::run();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = match words.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("", [].as_slice()),
    };
    let ended = match verb {
        // Where somebody else's init has come first.
        "init" => init::run(),
        "session" => init::session(rest).map(|never| match never {}),
        "list" => scenario::list(rest.iter().any(|w| w == "--json")),
        "check" => scenario::check(rest),
        "scenario" if !rest.is_empty() => scenario::check(rest),
        "demo" => demo::run(),
        "bench" => bench::run(rest),
        "intrude" => scenario::intrude(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(code) => code,
        Err(e) => {
            eprintln!("guest {verb}: {e:#}");
            ExitCode::FAILURE
        }
    }
}
