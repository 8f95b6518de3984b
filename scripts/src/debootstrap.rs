// SPDX-License-Identifier: GPL-2.0
//! Makes Debian roots with mmdebstrap, which is fetched when missing.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::apt::Apt;
use crate::apt::SUITE;
use crate::cache::Cache;
use crate::enter;
use crate::progress::Step;
use crate::recipe::Kind;
use crate::recipe::Recipe;
use crate::run;

/// Makes the root `dir`, replacing what was there.
pub(crate) fn make(recipe: &Recipe, cache: &Cache, dir: &Path, step: &Step) -> Result<()> {
    cache.need(&format!("the {}", recipe.step), recipe.room)?;
    let partial = dir.with_extension("partial");
    remove(&partial)?;
    step.note("looking for a Debian mirror");
    let apt = Apt::open(cache)?;
    let mut command = mmdebstrap(cache, &apt, step)?;
    command.arg(format!("--include={}", recipe.packages.concat().join(",")));
    match recipe.kind {
        Kind::Runs(others) => {
            command.arg("--variant=apt");
            if !others.is_empty() {
                // Which one is this machine's, mmdebstrap knows.
                let all = format!("--architectures={},{}", native()?, others.join(","));
                command.arg(all);
            }
        }
        Kind::Holds(architecture) => {
            command.args([
                "--variant=extract",
                &format!("--architectures={architecture}"),
            ]);
        }
    }
    let mut sources = vec![apt.site.clone()];
    if let Some(backports) = recipe.backports {
        let line = |suite: &str| format!("deb {} {suite} main", apt.site);
        sources = vec![line(SUITE), line(backports)];
        command.arg(format!("--aptopt=APT::Default-Release \"{backports}\""));
    }
    let log = cache.log(recipe.name);
    step.note("installing packages");
    match enter::is_root() {
        true => {
            // What it mounts is gone with it, even when it is killed.
            enter::enter_namespaces(&mut command);
            command
                .arg("--mode=root")
                .arg(SUITE)
                .arg(&partial)
                .args(&sources);
            run::logged(command, &log, |line| step.note(said(line)))?;
        }
        false => unprivileged(command, &partial, &sources, &log, step)?,
    }
    remove(dir)?;
    fs::rename(&partial, dir).with_context(|| format!("cannot write {}", dir.display()))
}

/// Makes the root as a user with subordinate ids, but unpacks it as that user's
/// own: one id is enough to run in it and to remove it.
fn unprivileged(
    mut command: Command,
    partial: &Path,
    sources: &[String],
    log: &Path,
    step: &Step,
) -> Result<()> {
    if find("newuidmap").is_none() {
        bail!(
            "making a Debian root without being root needs newuidmap: install the package uidmap"
        );
    }
    let user = run::output(id())?;
    let ids = fs::read_to_string("/etc/subuid").unwrap_or_default();
    if !has_ids(&ids, user.trim(), rustix::process::getuid().as_raw()) {
        bail!(
            "{0} has no subordinate ids: run usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {0}",
            user.trim()
        );
    }
    fs::create_dir_all(partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let mut tar = Command::new("tar");
    tar.args([
        "--extract",
        "--no-same-owner",
        "--exclude=./dev/*",
        "--directory",
    ])
    .arg(partial);
    let mut tar = tar
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run tar")?;
    if let Some(pipe) = tar.stdin.take() {
        command.stdout(pipe);
    }
    // Large, and a place that subordinate ids may enter.
    command.env("TMPDIR", "/var/tmp");
    command.args(["--mode=unshare", "--format=tar", SUITE, "-"]);
    command.args(sources);
    let made = run::logged_errors(command, log, |line| step.note(said(line)));
    let unpacked = tar.wait().context("cannot wait for tar")?;
    made?;
    if !unpacked.success() {
        bail!(
            "cannot unpack the Debian root into {} (tar: {unpacked})",
            partial.display()
        );
    }
    Ok(())
}

/// What dpkg calls this machine's architecture.
fn native() -> Result<String> {
    let mut command = Command::new("dpkg");
    command.arg("--print-architecture");
    Ok(run::output(command)?.trim().to_string())
}

/// mmdebstrap: the host's, else one fetched into the cache, else, for root and
/// with a perl that is too small, one installed on the host.
fn mmdebstrap(cache: &Cache, apt: &Apt, step: &Step) -> Result<Command> {
    if let Some(program) = find("mmdebstrap") {
        return Ok(Command::new(program));
    }
    step.note("fetching mmdebstrap");
    let program = fetch(cache, apt)?;
    let runs = Command::new(&program).arg("--version").output();
    if runs.is_ok_and(|output| output.status.success()) {
        return Ok(Command::new(program));
    }
    if !enter::is_root() {
        bail!(
            "mmdebstrap is missing, and the one fetched does not run here: install the package mmdebstrap"
        );
    }
    step.note("installing mmdebstrap on this machine");
    let log = cache.log("mmdebstrap");
    for args in [
        &["update"][..],
        &["install", "--yes", "--no-install-recommends", "mmdebstrap"],
    ] {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        run::logged(command, &log, |_| ())?;
    }
    Ok(Command::new("mmdebstrap"))
}

/// Unpacks the package mmdebstrap into the cache.
fn fetch(cache: &Cache, apt: &Apt) -> Result<PathBuf> {
    let dir = cache.dir().join("mmdebstrap");
    remove(&dir)?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    apt.fetch("mmdebstrap", &dir)?;
    let files = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = files.flatten().map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|it| it == "deb"));
    let package = package.context("apt-get download mmdebstrap left no package")?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("--extract").arg(package).arg(&dir);
    run::output(unpack)?;
    Ok(dir.join("usr/bin/mmdebstrap"))
}

/// Removes the directory `dir` and what is in it, but nothing that is mounted
/// there.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(point) = mounted_below(&mounts, dir) {
        bail!(
            "{point} is mounted in {}, which is to be removed: unmount it first",
            dir.display()
        );
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// The first mount point of `mounts` (as `/proc/self/mountinfo`) under `dir`.
fn mounted_below<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.find(|point| Path::new(point).starts_with(dir))
}

/// A line of mmdebstrap's without the mark of its kind.
fn said(line: &str) -> &str {
    line.strip_prefix("I: ").unwrap_or(line)
}

/// Whether the lines of `/etc/subuid` give ids to the user.
fn has_ids(subuid: &str, name: &str, uid: u32) -> bool {
    let uid = uid.to_string();
    subuid
        .lines()
        .filter_map(|line| line.split(':').next())
        .any(|user| user == name || user == uid)
}

fn id() -> Command {
    let mut command = Command::new("id");
    command.arg("-un");
    command
}

/// The program `name` in `$PATH` or where an administrator's programs are.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    dirs.map(|dir| dir.join(name))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_belong_to_a_name_or_a_number() {
        let subuid = "alice:100000:65536\n1001:165536:65536\n";
        assert!(has_ids(subuid, "alice", 7));
        assert!(has_ids(subuid, "bob", 1001));
        assert!(!has_ids(subuid, "bob", 100000));
        assert!(!has_ids("", "alice", 0));
    }

    #[test]
    fn a_mount_below_is_seen_and_a_neighbour_is_not() {
        let mounts = "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /c/root/proc rw - proc proc rw\n";
        assert_eq!(
            mounted_below(mounts, Path::new("/c/root")),
            Some("/c/root/proc")
        );
        assert_eq!(mounted_below(mounts, Path::new("/c/roo")), None);
    }
}
