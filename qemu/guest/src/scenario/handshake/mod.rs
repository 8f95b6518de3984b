// SPDX-License-Identifier: GPL-2.0
//! The handshake: rules leave the SMC option out of a SYN or a SYN-ACK.

pub mod churn;
pub mod hosts;
mod hs_ctrl;
pub mod owners;
mod tap;
mod topology;

use super::Report;
use super::same;
use crate::kernel::facts::has_hs_ctrl;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Result;

/// What rules do, where the kernel can; elsewhere that they are refused.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    if !has_hs_ctrl() {
        report.check(
            "handshake is absent",
            same("handshake", "absent".into(), smcify.handshake()?),
        );
        for name in ["dst:10.0.0.0:8", "src:127.0.0.1:32,port:80", "dev:lo"] {
            let errno = Rule::try_add(name).err().and_then(|e| e.raw_os_error());
            let refused = same("errno", Some(libc::EOPNOTSUPP), errno);
            report.check(format!("mkdir {name} is EOPNOTSUPP"), refused);
        }
        return Ok(());
    }
    report.check(
        "idle without rules",
        same("handshake", "idle".into(), smcify.handshake()?),
    );
    topology::run(report, &smcify)?;
    hosts::run(report)?;
    report.check(
        "idle again",
        same("handshake", "idle".into(), smcify.handshake()?),
    );
    Ok(())
}
