// SPDX-License-Identifier: GPL-2.0
//! The file system of real programs, and running them in it: the lab's read-only disk with a
//! tmpfs over it, entered by chroot.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::unistd::chdir;
use nix::unistd::chroot;
use std::fs::copy;
use std::fs::create_dir_all;
use std::fs::read_to_string;
use std::fs::write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const DISK: &str = "/dev/vda";
const LOWER: &str = "/programs.lower";
const UPPER: &str = "/programs.upper";
const ROOT: &str = "/programs";
/// What the guest shows inside, at the same place.
const SHARED: [&str; 5] = ["/proc", "/sys", "/dev", "/tmp", "/run"];
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n10.99.0.1 lab0\n10.99.0.2 lab1\n";

const PATH: &str = "/opt/smcify:/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PACKAGES: &str = "/opt/smcify/packages";

/// Mounts it, for as long as the guest lives.
pub fn mount_all() -> Result<()> {
    if Path::new(ROOT).join("usr").exists() {
        return Ok(());
    }
    let (upper, work) = (format!("{UPPER}/upper"), format!("{UPPER}/work"));
    for dir in [LOWER, UPPER, ROOT] {
        create_dir_all(dir).context(dir)?;
    }
    let nothing = MsFlags::empty();
    let disk = mount(
        Some(DISK),
        LOWER,
        Some("erofs"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    );
    disk.with_context(|| format!("{DISK}: was the image of real programs asked for?"))?;
    mount(Some("tmpfs"), UPPER, Some("tmpfs"), nothing, None::<&str>).context(UPPER)?;
    for dir in [&upper, &work] {
        create_dir_all(dir).context(dir.clone())?;
    }
    let options = format!("lowerdir={LOWER},upperdir={upper},workdir={work}");
    let options = Some(options.as_str());
    mount(Some("overlay"), ROOT, Some("overlay"), nothing, options).context(ROOT)?;
    for dir in SHARED {
        let inside = within(dir);
        create_dir_all(&inside).context(dir)?;
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(dir), &inside, None::<&str>, bind, None::<&str>).context(dir)?;
    }
    write(within("/etc/hosts"), HOSTS).context("/etc/hosts")?;
    for ours in ["/usr/bin/smcify", "/usr/bin/tokio-echo"] {
        copy(ours, within(ours)).context(ours)?;
    }
    Ok(())
}

/// Where a path of the programs' is for the guest.
pub fn within(path: &str) -> PathBuf {
    Path::new(ROOT).join(path.trim_start_matches('/'))
}

/// A command inside, in a clean environment.
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().unwrap_or((&"false", &[]));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8");
    let enter = || {
        chroot(ROOT)?;
        chdir("/")?;
        Ok(())
    };
    // SAFETY: Two system calls on constant strings, which neither allocate nor take a lock.
    unsafe { command.pre_exec(enter) };
    command
}

/// What a command prints; it has to end well.
pub fn output(words: &[&str]) -> Result<String> {
    said(command(words))
}

/// The same of a command that is made already.
pub fn said(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        end(&format!("{out}{}", String::from_utf8_lossy(&output.stderr)))
    );
    Ok(out)
}

/// The last lines of what a program said.
pub fn end(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The version of a Debian package in the image.
pub fn version(package: &str) -> Result<String> {
    let path = within(PACKAGES);
    let all = read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut lines = all.lines().filter_map(|line| line.split_once('\t'));
    let named = lines.find(|(name, _)| name.split(':').next() == Some(package));
    let (_, version) = named.with_context(|| format!("the image has no {package}"))?;
    Ok(version.to_owned())
}
