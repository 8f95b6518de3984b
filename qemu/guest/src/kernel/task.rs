// SPDX-License-Identifier: GPL-2.0
//! Threads, and where in the kernel they sleep.

use crate::kernel::until::until;
use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use nix::sched::CpuSet;
use nix::sched::sched_getcpu;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;
use nix::unistd::gettid;
use std::fs::read_to_string;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::thread::ScopedJoinHandle;
use std::thread::spawn;

/// Waits for a thread of a scope, and for what it found.
pub fn joined<T>(thread: ScopedJoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

/// Keeps the calling thread on the processor that it is on.
pub fn stay() -> Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(Pid::from_raw(0), &here).context("a thread cannot be kept where it is")
}

/// A thread that does one thing, which the kernel may keep it from.
pub struct Task<T> {
    proc: PathBuf,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts it.
    pub fn start(run: impl FnOnce() -> T + Send + 'static) -> Result<Self> {
        let (sender, receiver) = channel();
        let thread = spawn(move || {
            let _ = sender.send(gettid());
            run()
        });
        let tid = receiver.recv().context("a thread did not start")?;
        let proc = format!("/proc/self/task/{tid}").into();
        Ok(Self { proc, thread })
    }

    /// Whether it is done.
    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it is done; `what` names it.
    pub fn until_done(&self, what: &str) -> Result<()> {
        until(&format!("the end of {what}"), || Ok(self.is_done()))
    }

    /// Waits for its result.
    pub fn result(self, what: &str) -> Result<T> {
        self.until_done(what)?;
        self.thread.join().map_err(|_| anyhow!("{what}: panicked"))
    }

    /// Waits until it sleeps in `function`, or in what that calls.
    pub fn until_asleep_in(&self, function: &str) -> Result<()> {
        self.until(&format!("its sleep in {function}"), |stack| {
            stack.iter().any(|frame| frame.starts_with(function))
        })
    }

    /// Waits until it sleeps in one of `functions` itself.
    pub fn until_asleep_right_in(&self, functions: &[&str]) -> Result<()> {
        let is = |frame: &String| functions.iter().any(|it| frame.starts_with(it));
        let what = format!("its sleep right in {}", functions.join(" or "));
        self.until(&what, |stack| stack.first().is_some_and(is))
    }

    /// Whether it sleeps in `function`, or in what that calls, now.
    pub fn is_asleep_in(&self, function: &str) -> bool {
        self.is_in(function, 'D').unwrap_or(false)
    }

    /// Waits until it waits in `function` for the world outside.
    pub fn until_waiting_in(&self, function: &str) -> Result<()> {
        let what = format!("its wait in {function}");
        until(&what, || self.is_in(function, 'S'))
    }

    /// Whether the kernel has ended it amid a system call.
    pub fn is_killed(&self) -> bool {
        !self.proc.exists() && !self.is_done()
    }

    fn is_in(&self, function: &str, state: char) -> Result<bool> {
        let stack = self.stack()?;
        let there = stack.iter().any(|frame| frame.starts_with(function));
        Ok(there && self.state()?.starts_with(state))
    }

    fn until(&self, what: &str, there: impl Fn(&[String]) -> bool) -> Result<()> {
        let mut stack = Vec::new();
        let asleep = until(what, || {
            stack = self.stack()?;
            Ok(self.sleeps()? && there(&stack))
        });
        asleep.with_context(|| format!("the thread is at\n{}", stack.join("\n")))
    }

    /// Whether it sleeps on a lock or for an event of the kernel, not for the world outside.
    fn sleeps(&self) -> Result<bool> {
        Ok(self.state()?.starts_with('D'))
    }

    /// Its state and what follows that in its line.
    fn state(&self) -> Result<String> {
        let stat = read_to_string(self.proc.join("stat"))?;
        // The name in parentheses may hold anything; the state is behind it.
        Ok(stat.rsplit(") ").next().unwrap_or_default().to_owned())
    }

    /// Where it sleeps, innermost first, as `function+0x1/0x2`; without the functions that
    /// only put it to sleep, a mutex's for one.
    fn stack(&self) -> Result<Vec<String>> {
        let stack = read_to_string(self.proc.join("stack"));
        let stack = stack.context("no stack: is CONFIG_STACKTRACE=y?")?;
        let frames = stack.lines().filter_map(|line| line.split(' ').nth(1));
        Ok(frames.map(str::to_owned).collect())
    }
}
