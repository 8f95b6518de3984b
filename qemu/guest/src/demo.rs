// SPDX-License-Identifier: GPL-2.0
//! The demonstration: the same programs without and with smcify, and what carried them.

use crate::diag::Carrier;
use crate::program::iperf;
use crate::program::pair::Went;
use crate::program::pair::transfer;
use crate::smcify::Smcify;
use anyhow::Result;
use guest::Shown;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::process::ExitCode;

/// Each way, for each program.
const BYTES: u64 = 16 << 20;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

type Run = fn() -> Result<Went>;

/// `guest demo`: fails unless smcify made a difference to every program.
pub fn run() -> Result<ExitCode> {
    let mut as_promised = round(false, Carrier::Tcp)?;
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    as_promised &= round(true, Carrier::SmcD)?;
    smcify.unload()?;
    match as_promised {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

/// Runs every program once. True: each was carried as expected.
fn round(loaded: bool, expected: Carrier) -> Result<bool> {
    let runs: [(&str, Run); 3] = [
        ("transfer, blocking", || transfer("blocking", HERE, BYTES)),
        ("transfer, io_uring", || transfer("io_uring", HERE, BYTES)),
        ("iperf3", || iperf::run(HERE, BYTES)),
    ];
    let mut all = true;
    for (program, run) in runs {
        let went = run()?;
        let both: BTreeSet<_> = went.client.union(&went.server).collect();
        let got: Vec<_> = both.iter().map(ToString::to_string).collect();
        let shown = Shown {
            loaded,
            program: program.to_owned(),
            asked: "TCP".to_owned(),
            got: got.join(", "),
            bytes: went.bytes,
        };
        println!("demo: {}", serde_json::to_string(&shown)?);
        all &= went.carried(expected, expected).is_ok();
    }
    Ok(all)
}
