// SPDX-License-Identifier: GPL-2.0
//! What is refused: names and values that are none, and tasks that may not.

use crate::kernel::kmsg::Follow;
use crate::scenario::Report;
use crate::scenario::same;
use crate::smcify::CONFIG;
use crate::smcify::rule::Rule;
use crate::smcify::rule::listed;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::prctl::set_dumpable;
use nix::unistd::Uid;
use nix::unistd::setresuid;
use std::fs::create_dir;
use std::fs::write;
use std::io;
use std::path::Path;
use std::process::Command;
use std::process::ExitCode;

/// Names of no rule, and one that is there already.
const NAMES: [(&str, i32); 14] = [
    ("uid:", libc::EINVAL),
    ("uid:x", libc::EINVAL),
    ("uid:01", libc::EINVAL),
    ("uid:-1", libc::EINVAL),
    ("uid:4294967295", libc::EINVAL),
    ("gid:0", libc::EINVAL),
    ("rule", libc::EINVAL),
    ("comm:", libc::EINVAL),
    ("comm:0123456789abcdef", libc::EINVAL),
    ("cgroup:0", libc::EINVAL),
    ("netns:18446744073709551616", libc::EINVAL),
    ("dst:10.0.0.1:8", libc::EINVAL),
    ("port:443,uid:0", libc::EINVAL),
    ("uid:4711", libc::EEXIST),
];

/// How often something is refused, to find that the log does not fill up.
const MANY: usize = 100;

pub fn run(report: &mut Report) -> Result<()> {
    let mut log = Follow::now()?;
    report.part("names and values", names_and_values);
    report.part("the log", |report| many(report, &mut log));
    for (who, uid) in [("a user", 1000), ("user 0", 0)] {
        let name = format!("{who} that is root of its own user namespace");
        report.part(&name, |report| intruder(report, uid));
    }
    Ok(())
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|e| e.raw_os_error())
}

fn names_and_values(report: &mut Report) -> Result<()> {
    let there = Rule::add("uid:4711")?;
    let before = listed()?;
    for (name, expected) in NAMES {
        let found = errno(Rule::try_add(name));
        report.check(
            format!("mkdir {name}"),
            same("errno", Some(expected), found),
        );
    }
    for value in ["SMC", "smc tcp", "\n", "0", "smc\0"] {
        let found = errno(there.try_set(value));
        report.check(
            format!("action {value:?}"),
            same("errno", Some(libc::EINVAL), found),
        );
    }
    report.check(
        "the action is what it was",
        same("action", "smc", &there.action()?),
    );
    report.check("nothing half-made stays", same("files", before, listed()?));
    Ok(())
}

/// Refuses many more.
fn many(report: &mut Report, log: &mut Follow) -> Result<()> {
    for number in 0..MANY {
        ensure!(
            Rule::try_add(&format!("uid:no-{number}")).is_err(),
            "a rule of that name"
        );
    }
    let lines = log.lines();
    let why = "smcify: rule \"uid:\": a user id is a number below 4294967295";
    let said = lines.iter().any(|line| line == why);
    report.check("says why", same("the first line", true, said));
    let count = lines
        .iter()
        .filter(|line| line.contains("smcify: rule"))
        .count();
    report.note(format!("{count} lines on {} refusals", NAMES.len() + MANY));
    report.check(
        "does not fill up",
        same("few lines", true, count < MANY / 3),
    );
    Ok(())
}

/// All that could be tried from within a user namespace.
fn intruder(report: &mut Report, uid: u32) -> Result<()> {
    let _there = Rule::add("uid:4711")?;
    let before = listed()?;
    let output = Command::new("/proc/self/exe")
        .args(["intrude", &uid.to_string()])
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (tried, line) in ATTEMPTS.iter().map(|(tried, _)| tried).zip(said.lines()) {
        let refused = [libc::EPERM, libc::EACCES].map(|errno| errno.to_string());
        let refused = refused.contains(&line.to_owned());
        report.check(
            *tried,
            same("refused", true, refused).with_context(|| line.to_owned()),
        );
    }
    report.check(
        "all was tried",
        same("answers", ATTEMPTS.len(), said.lines().count()),
    );
    report.check("nothing has changed", same("files", before, listed()?));
    Ok(())
}

/// What an intruder tries.
type Attempt = (&'static str, fn(&Path) -> io::Result<()>);

const ATTEMPTS: [Attempt; 4] = [
    ("mkdir", |config| create_dir(config.join("uid:4712"))),
    ("action", |config| {
        write(config.join("uid:4711/action"), "tcp")
    }),
    ("default", |config| write(config.join("default"), "smc")),
    ("fixes", |config| {
        write(config.join("fixes"), "smc_ulp_init off")
    }),
];

/// `guest intrude UID`: becomes root of a user namespace of UID's, and prints the errno of
/// each attempt.
pub fn intrude(words: &[String]) -> Result<ExitCode> {
    let [uid] = words else {
        bail!("whose user namespace?");
    };
    let uid = Uid::from_raw(uid.parse().context("a user id")?);
    setresuid(uid, uid, uid).context("setresuid")?;
    // So that its own files of /proc are its own again.
    set_dumpable(true).context("prctl")?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).context("unshare")?;
    write("/proc/self/uid_map", format!("0 {uid} 1")).context("uid_map")?;
    ensure!(Uid::effective().is_root(), "not root there");
    for (_, attempt) in ATTEMPTS {
        println!("{}", errno(attempt(Path::new(CONFIG))).unwrap_or(0));
    }
    Ok(ExitCode::SUCCESS)
}
