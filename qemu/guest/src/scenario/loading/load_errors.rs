// SPDX-License-Identifier: GPL-2.0
//! A load that cannot work: one line says why, and nothing is left behind. And what keeps
//! working must not be pulled from under the module.

use crate::kernel::facts::ftrace_can_be_off;
use crate::kernel::facts::ftrace_stays;
use crate::kernel::facts::switch_ftrace;
use crate::kernel::kmsg::Follow;
use crate::kernel::module;
use crate::kernel::smc;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::open;
use crate::scenario::same;
use crate::smcify::MODULE;
use crate::smcify::Smcify;
use crate::smcify::nothing_left;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use guest::PLAN;
use guest::Plan;
use nix::errno::Errno;
use std::fs::read;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    without_smc(report)?;
    without_ftrace(report)?;
    ftrace_while_on(report)?;
    smc_while_loaded(report)?;
    report.check("after all this it loads", Smcify::load()?.unload());
    report.check("and leaves nothing", nothing_left());
    Ok(())
}

/// SMC's own modules are taken out, and put back.
fn without_smc(report: &mut Report) -> Result<()> {
    report.check("smcify_stream.ko keeps smc.ko", stream_holds_smc());
    module::unload("smc_diag")?;
    unload("smcify_stream")?;
    unload("smc")?;
    let mut log = Follow::now()?;
    let answer = module::try_load(MODULE)?;
    let said = log.lines();
    let names_smc = said
        .iter()
        .any(|l| l.contains("smcify: Unknown symbol smc_"));
    report.check(
        "no smc.ko: ENOENT",
        same("insmod", Err(Errno::ENOENT), answer),
    );
    report.check(
        "no smc.ko: the log names what is missing",
        same("a line on an unknown symbol", true, names_smc).with_context(|| format!("{said:?}")),
    );
    report.check("no smc.ko: nothing is left", nothing_left());
    restore_smc()
}

/// Its sockets use what is smc.ko's, whether there are any or not.
fn stream_holds_smc() -> Result<()> {
    let holds = Path::new("/sys/module/smc/holders/smcify_stream").exists();
    same("among the holders of smc", true, holds)
}

/// Sockets of an earlier scenario may still be on their way out.
fn unload(name: &str) -> Result<()> {
    for _ in 0..50 {
        match module::try_unload(name)? {
            Err(Errno::EAGAIN | Errno::EBUSY) => {
                sleep(Duration::from_millis(100));
            }
            other => return other.with_context(|| format!("rmmod {name}")),
        }
    }
    module::unload(name)
}

fn restore_smc() -> Result<()> {
    let plan: Plan = serde_json::from_slice(&read(PLAN)?)?;
    for path in &plan.modules {
        let name = path.rsplit('/').next().unwrap_or_default();
        if ["smc.ko", "smc_diag.ko", "smcify_stream.ko"]
            .iter()
            .any(|it| name.starts_with(it))
        {
            module::load(path)?;
        }
    }
    match &plan.ueid {
        Some(eid) => smc::add_ueid(eid),
        None => Ok(()),
    }
}

/// From 7.3 on nothing switches ftrace off, so nothing is to be tried.
fn without_ftrace(report: &mut Report) -> Result<()> {
    if !ftrace_can_be_off()? {
        let answer = switch_ftrace(false);
        let refused = same("writing 0 to ftrace_enabled", ftrace_stays()?, answer);
        report.check("ftrace cannot be switched off", refused);
        return Ok(());
    }
    same("ftrace off", Ok(()), switch_ftrace(false))?;
    let mut log = Follow::now()?;
    let answer = module::try_load(MODULE);
    let said = log.lines();
    same("ftrace on", Ok(()), switch_ftrace(true))?;
    report.check(
        "ftrace off: EOPNOTSUPP",
        same("insmod", Err(Errno::EOPNOTSUPP), answer?),
    );
    report.check("ftrace off: one line says why", one_error(&said));
    report.check("ftrace off: nothing is left", nothing_left());
    Ok(())
}

fn one_error(log: &[String]) -> Result<()> {
    let ours: Vec<_> = log.iter().filter(|l| l.starts_with("smcify: ")).collect();
    ensure!(
        matches!(ours[..], [line] if line.contains("ftrace")),
        "the kernel log has {ours:?}"
    );
    Ok(())
}

/// While the hook is on, ftrace cannot be switched off, and what was on stays on.
fn ftrace_while_on(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    let answer = switch_ftrace(false);
    report.check(
        "default=smc: ftrace stays on",
        same("writing 0 to ftrace_enabled", ftrace_stays()?, answer),
    );
    let socket = open(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let protocol = socket.protocol()?.map(i32::from);
    report.check(
        "default=smc: still in force",
        same("SO_PROTOCOL", Some(IPPROTO_SMC), protocol),
    );
    smcify.unload()
}

/// The module holds on to SMC, whether or not it is in use.
fn smc_while_loaded(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    module::unload("smc_diag")?;
    let answer = module::try_unload("smc")?;
    restore_diag()?;
    report.check(
        "loaded: smc.ko stays",
        same("rmmod smc", Err(Errno::EAGAIN), answer),
    );
    smcify.unload()
}

fn restore_diag() -> Result<()> {
    let plan: Plan = serde_json::from_slice(&read(PLAN)?)?;
    let path = plan.modules.iter().find(|p| p.contains("smc_diag"));
    module::load(path.context("the plan has no smc_diag.ko")?)
}
