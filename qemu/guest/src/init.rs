// SPDX-License-Identifier: GPL-2.0
//! PID 1: sets the guest up, runs one command, says how it ended, powers off.

use crate::kernel::kmemleak;
use crate::kernel::kmsg::say;
use crate::kernel::module;
use crate::kernel::net;
use crate::kernel::smc;
use anyhow::Context;
use anyhow::Result;
use guest::PLAN;
use guest::Plan;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::fcntl::open;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sys::reboot::RebootMode;
use nix::sys::reboot::reboot;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::stat::Mode;
use nix::sys::termios::InputFlags;
use nix::sys::termios::LocalFlags;
use nix::sys::termios::OutputFlags;
use nix::sys::termios::SetArg;
use nix::sys::termios::tcdrain;
use nix::sys::termios::tcgetattr;
use nix::sys::termios::tcsetattr;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::wait;
use nix::unistd::Pid;
use nix::unistd::dup2_stderr;
use nix::unistd::dup2_stdin;
use nix::unistd::dup2_stdout;
use nix::unistd::sethostname;
use nix::unistd::setsid;
use nix::unistd::sync;
use std::convert::Infallible;
use std::fs::File;
use std::fs::create_dir_all;
use std::fs::read;
use std::fs::write;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The command's terminal: what the lab streams.
const TERMINAL: &str = "/dev/hvc0";
/// The program that the kernel asks for modules.
const MODPROBE: &str = "/proc/sys/kernel/modprobe";
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The I/O ports of the machine, a byte each.
const PORTS: &str = "/dev/port";
/// The reset control register of a PC's chipset, and what resets all.
const RESET_CONTROL: u64 = 0xcf9;
const RESET: u8 = 0x06;

/// Where, which kind, with which options.
const MOUNTS: [(&str, &str, &str); 11] = [
    ("/proc", "proc", ""),
    ("/sys", "sysfs", ""),
    ("/dev", "devtmpfs", ""),
    ("/dev/pts", "devpts", "mode=620,ptmxmode=666"),
    ("/dev/shm", "tmpfs", "mode=1777"),
    ("/tmp", "tmpfs", "mode=1777"),
    ("/run", "tmpfs", "mode=755"),
    ("/sys/kernel/debug", "debugfs", ""),
    ("/sys/kernel/tracing", "tracefs", ""),
    ("/sys/fs/bpf", "bpf", ""),
    ("/sys/fs/cgroup", "cgroup2", ""),
];

/// Never returns: whatever happens, the guest is switched off.
pub fn run() -> ! {
    if let Err(e) = live() {
        say(&format!("init: {e:#}"));
    }
    sync();
    // Which QEMU is told to end at. Without ACPI, nothing switches a PC off.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    // Reached without the right to do so: PID 1's end panics the kernel.
    std::process::exit(1)
}

/// Resets the guest, without a farewell to anybody, not even to its kernel. It boots anew.
pub fn crash() -> Result<()> {
    say("restart");
    let ports = File::options().write(true).open(PORTS).context(PORTS)?;
    let reset = ports.write_at(&[RESET], RESET_CONTROL);
    reset.map(drop).context("the reset control register")
}

/// Has the guest boot anew, when it has shut its devices down.
pub fn restart() -> Result<()> {
    say("restart");
    match reboot(RebootMode::RB_AUTOBOOT)? {}
}

fn live() -> Result<()> {
    for (target, kind, options) in MOUNTS {
        mount_at(target, kind, options)?;
    }
    let plan = read(PLAN).with_context(|| format!("{PLAN}: no boot plan"))?;
    let plan: Plan =
        serde_json::from_slice(&plan).with_context(|| format!("{PLAN}: not a plan"))?;
    prepare(&plan)?;
    say("up");
    let status = command(&plan)?;
    end_all();
    if plan.kmemleak {
        leaks()?;
    }
    say(&format!("exit {status}"));
    Ok(())
}

/// Mounts one file system; one that the kernel does not have is left out.
fn mount_at(target: &str, kind: &str, options: &str) -> Result<()> {
    let made = create_dir_all(target);
    match mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    ) {
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(Errno::ENODEV) => {
            say(&format!("init: this kernel has no {kind}"));
            Ok(())
        }
        Err(_) if made.is_err() => made.with_context(|| format!("mkdir {target}")),
        Err(e) => Err(e).with_context(|| format!("mount {kind} on {target}")),
    }
}

fn prepare(plan: &Plan) -> Result<()> {
    sethostname(format!("lab{}", plan.node))?;
    // The plan names all modules: nobody waits for a modprobe that there is not, or is slow.
    write(MODPROBE, "").context(MODPROBE)?;
    net::up("lo")?;
    if plan.nodes > 1 {
        net::join(plan.node)?;
    }
    if plan.kmemleak {
        kmemleak::clear().context("kmemleak: is it in this kernel?")?;
    }
    for path in &plan.modules {
        module::load(path)?;
    }
    // It may be one of them.
    mount_at("/sys/kernel/config", "configfs", "")?;
    if let Some(eid) = &plan.ueid {
        smc::add_ueid(eid)?;
    }
    if plan.rxe {
        net::add_rxe()?;
    }
    Ok(())
}

/// Runs the plan's command and returns its status as a shell would.
fn command(plan: &Plan) -> Result<i32> {
    quiet_terminal(plan.command.is_empty())?;
    let shell = || {
        let shells = ["/bin/bash", "/bin/sh"];
        let shell = shells.iter().find(|s| Path::new(s).exists());
        vec![shell.unwrap_or(&"sh").to_string()]
    };
    let words = match plan.command.is_empty() {
        true => shell(),
        false => plan.command.clone(),
    };
    let cwd = match Path::new(&plan.cwd).is_dir() {
        true => plan.cwd.as_str(),
        false => "/",
    };
    let child = Command::new("/proc/self/exe")
        .arg("session")
        .args(&words)
        .env_clear()
        .env("PATH", SEARCH)
        .env("HOME", "/root")
        .env("TERM", "xterm")
        .env("LANG", "C.UTF-8")
        .envs(plan.env.iter().map(|(k, v)| (k, v)))
        .current_dir(cwd)
        .spawn()
        .with_context(|| format!("cannot run {words:?}"))?;
    let child = Pid::from_raw(child.id() as i32);
    let status = loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => break code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => break 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("waiting for the command"),
        }
    };
    if let Ok(terminal) = File::open(TERMINAL) {
        let _ = tcdrain(&terminal);
    }
    Ok(status)
}

/// Output is for the lab's eyes: as it is written, and without an echo, unless
/// someone sits there and types.
fn quiet_terminal(interactive: bool) -> Result<()> {
    let terminal = open(TERMINAL, OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty())
        .with_context(|| format!("{TERMINAL}: the guest has no virtio console"))?;
    if interactive {
        return Ok(());
    }
    let mut settings = tcgetattr(&terminal)?;
    settings.output_flags.remove(OutputFlags::OPOST);
    settings.local_flags.remove(LocalFlags::ECHO);
    settings.input_flags.remove(InputFlags::ICRNL);
    tcsetattr(&terminal, SetArg::TCSANOW, &settings)?;
    Ok(())
}

/// `guest session CMD…`: becomes CMD, with a session and a controlling terminal
/// of its own. Started by [`command`].
pub fn session(words: &[String]) -> Result<Infallible> {
    let (program, arguments) = words.split_first().context("session: no command")?;
    setsid()?;
    // The first terminal that a session leader opens is its controlling one.
    let terminal = open(TERMINAL, OFlag::O_RDWR, Mode::empty())?;
    dup2_stdin(&terminal)?;
    dup2_stdout(&terminal)?;
    dup2_stderr(&terminal)?;
    drop(terminal);
    let error = Command::new(program).args(arguments).exec();
    eprintln!("{program}: {error}");
    std::process::exit(127)
}

/// Ends what the command left running.
fn end_all() {
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while let Ok(_) | Err(Errno::EINTR) = wait() {}
}

/// Looks for leaks and prints what there is into the kernel log, where the lab looks.
fn leaks() -> Result<()> {
    let found = kmemleak::scan().context("kmemleak: no scan")?;
    for line in found.lines() {
        say(&format!("kmemleak: {line}"));
    }
    Ok(())
}
