// SPDX-License-Identifier: GPL-2.0
//! Unmodified programs run over SMC-D, and no byte is lost or wrong.

use crate::diag::Carrier;
use crate::program::iperf;
use crate::program::pair::FORMS;
use crate::program::pair::transfer;
use crate::scenario::Report;
use crate::smcify::Smcify;
use anyhow::Result;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Each way, in each form.
const BYTES: u64 = 64 << 20;

/// The two ways to oneself.
pub const LOOPBACKS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    for form in FORMS {
        for ip in LOOPBACKS {
            let went = transfer(form, ip, BYTES)
                .and_then(|went| went.carried(Carrier::SmcD, Carrier::SmcD));
            report.check(format!("{form} over {ip}"), went);
        }
    }
    for ip in LOOPBACKS {
        let went =
            iperf::run(ip, BYTES).and_then(|went| went.carried(Carrier::SmcD, Carrier::SmcD));
        report.check(format!("iperf3 over {ip}"), went);
    }
    Ok(())
}
