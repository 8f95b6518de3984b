// SPDX-License-Identifier: GPL-2.0
//! `smcify run`: one command in a cgroup of its own, with a rule for that.
//!
//! What is made for it is noted in a file below [`NOTES`], locked while smcify is there. A note
//! without a lock is of one that was killed; the next one takes away what that one left.

use crate::args::Enter;
use crate::args::Run;
use crate::cgroup;
use crate::cgroup::Hierarchy;
use crate::control::Control;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::output::complain;
use crate::rule::Action;
use crate::rule::Rule;
use anyhow::Context;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use nix::sys::signal::SigSet;
use nix::sys::signal::SigmaskHow;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::signal::raise;
use nix::sys::signal::sigprocmask;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;
use rustix::process::WaitOptions;
use rustix::process::waitpid;
use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// Where the notes are; gone with the next boot, as are cgroups.
const NOTES: &str = "/run/smcify";

/// How smcify ends when CMD did not begin: as env(1) and others do.
const FAILED: u8 = 125;
const NOT_RUNNABLE: u8 = 126;
const NO_SUCH: u8 = 127;

/// What is passed on. The terminal's SIGTSTP is among them so that it stops the command alone:
/// we stop when that has, and never while it goes on.
const PASSED: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
];

/// Runs the command; returns the status to end with.
pub fn run(args: &Run, json: bool) -> u8 {
    match prepared(args) {
        Ok(Ready {
            transient,
            signals,
            child,
        }) => {
            let ended = attend(&signals, child);
            for failure in transient.end() {
                complain(&failure, json);
            }
            match ended {
                Ok(Ended::Exit(status)) => status,
                Ok(Ended::Signal(number)) => die(number),
                Err(failure) => {
                    complain(&failure, json);
                    FAILED
                }
            }
        }
        Err(failure) => {
            complain(&failure, json);
            FAILED
        }
    }
}

/// A command that has been started.
struct Ready {
    transient: Transient,
    signals: SignalFd,
    child: nix::unistd::Pid,
}

fn prepared(args: &Run) -> Result<Ready> {
    let tried = "run a command in a cgroup of its own";
    let control = Control::open(tried)?;
    sweep(&control);
    let action = match args.tcp {
        false => Action::Smc,
        true => Action::Tcp,
    };
    let transient = Transient::new(control, action)?;
    match start(&transient.cgroup, args) {
        Ok((signals, child)) => Ok(Ready {
            transient,
            signals,
            child,
        }),
        Err(failure) => {
            transient.end();
            Err(failure)
        }
    }
}

/// Blocks what is passed on, to be read from the descriptor, and starts the command.
fn start(cgroup: &Path, args: &Run) -> Result<(SignalFd, nix::unistd::Pid)> {
    let tried = "start the command";
    let next = "report this as a bug of smcify";
    let mut mask = SigSet::from_iter(PASSED);
    mask.add(Signal::SIGCHLD);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), Some(&mut before)).or_fail(tried, next)?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).or_fail(tried, next)?;
    let blocked = mask.iter().filter(|signal| !before.contains(*signal));
    let unblock: Vec<String> = blocked.map(|it| (it as i32).to_string()).collect();
    let child = Command::new("/proc/self/exe")
        .arg("enter")
        .arg("--cgroup")
        .arg(cgroup)
        .arg(format!("--unblock={}", unblock.join(",")))
        .arg("--")
        .args(&args.command)
        .spawn()
        .context("/proc/self/exe")
        .or_fail(tried, "mount -t proc none /proc")?;
    Ok((signals, nix::unistd::Pid::from_raw(child.id() as i32)))
}

/// The second half: in the child, before it becomes the command. Returns the status to end with.
pub fn enter(args: &Enter, json: bool) -> u8 {
    let procs = args.cgroup.join("cgroup.procs");
    let entered = fs::write(&procs, "0").with_context(|| procs.display().to_string());
    let entered = entered.or_fail("enter the command's cgroup", "cat /proc/self/cgroup");
    if let Err(failure) = entered {
        complain(&failure, json);
        return FAILED;
    }
    let unblock = args
        .unblock
        .iter()
        .filter_map(|it| Signal::try_from(*it).ok());
    let unblock = SigSet::from_iter(unblock);
    // Cannot fail: the set is one.
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&unblock), None);
    let Some((program, arguments)) = args.command.split_first() else {
        return NO_SUCH;
    };
    let error = Command::new(program).args(arguments).exec();
    let (status, next) = match error.kind() {
        ErrorKind::NotFound => (NO_SUCH, "look at its name and at $PATH"),
        _ => (NOT_RUNNABLE, "look at its mode and kind: ls -l, file"),
    };
    let tried = format!("run {}", program.to_string_lossy());
    complain(
        &Failure::new(Kind::NotFound, tried, error.to_string(), next),
        json,
    );
    status
}

/// How the command ended.
#[derive(Debug, PartialEq)]
enum Ended {
    Exit(u8),
    Signal(i32),
}

/// Passes signals on, stops when the command stops, until it ends.
fn attend(signals: &SignalFd, child: nix::unistd::Pid) -> Result<Ended> {
    let tried = "wait for the command";
    let next = "look whether it still runs: ps";
    loop {
        let Some(signal) = signals.read_signal().or_fail(tried, next)? else {
            continue;
        };
        match Signal::try_from(signal.ssi_signo as i32) {
            Ok(Signal::SIGCHLD) => {
                if let Some(ended) = news(child).or_fail(tried, next)? {
                    return Ok(ended);
                }
            }
            // What the terminal sends, the command gets as well: it is in our process group.
            Ok(signal_) if signal.ssi_code <= libc::SI_USER => {
                // It may just have ended.
                let _ = kill(child, signal_);
            }
            _ => {}
        }
    }
}

/// What has become of the child: its end, or nothing that ends us.
fn news(child: nix::unistd::Pid) -> anyhow::Result<Option<Ended>> {
    let pid = rustix::process::Pid::from_raw(child.as_raw());
    loop {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        let Some((_, status)) = waitpid(pid, options)? else {
            return Ok(None);
        };
        if let Some(status) = status.exit_status() {
            return Ok(Some(Ended::Exit(status as u8)));
        }
        if let Some(number) = status.terminating_signal() {
            return Ok(Some(Ended::Signal(number)));
        }
        if status.stopped() {
            // So that our shell sees it. Whoever continues us means the command.
            raise(Signal::SIGSTOP)?;
            let _ = kill(child, Signal::SIGCONT);
        }
    }
}

/// Dies as the command did, so that a shell sees what it would see without us; if that does
/// not work, the status that shells give to such an end.
fn die(number: i32) -> u8 {
    if let Ok(signal) = Signal::try_from(number) {
        // The core is the command's.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let _ = SigSet::from(signal).thread_unblock();
        let _ = raise(signal);
    }
    128_u8.wrapping_add(number as u8)
}

/// A cgroup below our own, the rule for it, and the note about both.
struct Transient {
    control: Control,
    rule: Rule,
    parent: PathBuf,
    cgroup: PathBuf,
    note: Option<(PathBuf, Flock<File>)>,
}

impl Transient {
    fn new(control: Control, action: Action) -> Result<Self> {
        let parent = Hierarchy::find()?.own()?;
        let cgroup = parent.join(format!("smcify-run-{}", std::process::id()));
        match fs::create_dir(&cgroup) {
            // Of one that was killed, had our process id and could not be swept.
            Err(e) if e.kind() == ErrorKind::AlreadyExists && cgroup::is_empty(&cgroup) => {}
            made => made.with_context(|| cgroup.display().to_string()).or_fail(
                "make a cgroup",
                "start it from a cgroup that is not threaded",
            )?,
        }
        let mut transient = Self {
            control,
            rule: Rule::Cgroup(cgroup::id(&cgroup)?),
            parent,
            cgroup,
            note: None,
        };
        match transient.complete(action) {
            Ok(()) => Ok(transient),
            Err(failure) => {
                transient.end();
                Err(failure)
            }
        }
    }

    fn complete(&mut self, action: Action) -> Result<()> {
        let path = Path::new(NOTES).join(self.rule.to_string());
        let note = || -> anyhow::Result<Flock<File>> {
            fs::create_dir_all(NOTES)?;
            let file = File::create(&path)?;
            let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| e)?;
            fs::write(&path, self.cgroup.display().to_string())?;
            Ok(file)
        };
        let locked = note().with_context(|| path.display().to_string());
        let locked = locked.or_fail("note what is made for the command", "df /run")?;
        self.note = Some((path, locked));
        self.control.add(&self.rule, action).map(drop)
    }

    /// Takes all of it away. What the command has left running goes on in our own cgroup.
    fn end(self) -> Vec<Failure> {
        let removed = match self.control.same(&self.rule) {
            Ok(Some(entry)) => self.control.remove(&entry.name),
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        let dissolved = cgroup::dissolve(&self.cgroup, &self.parent);
        let dissolved = dissolved.or_fail(
            "remove the command's cgroup",
            format!("rmdir {}", self.cgroup.display()),
        );
        if let (Some((note, _lock)), Ok(()), Ok(())) = (&self.note, &removed, &dissolved) {
            let _ = fs::remove_file(note);
        }
        [removed, dissolved]
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }
}

/// Takes away what those left behind that were killed, once their commands have ended. It does
/// no harm, so failing to is none either.
fn sweep(control: &Control) {
    for note in fs::read_dir(NOTES).into_iter().flatten().flatten() {
        let path = note.path();
        let Ok(file) = File::open(&path) else {
            continue;
        };
        let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            continue;
        };
        let Ok(cgroup) = fs::read_to_string(&path) else {
            continue;
        };
        let cgroup = Path::new(&cgroup);
        let name = note.file_name().to_string_lossy().into_owned();
        let ours = cgroup::id(cgroup).is_ok_and(|id| Rule::Cgroup(id).to_string() == name);
        if ours && !cgroup::is_empty(cgroup) {
            continue;
        }
        let _ = control.remove(&name);
        if ours {
            let _ = fs::remove_dir(cgroup);
        }
        let _ = fs::remove_file(&path);
        drop(lock);
    }
}
