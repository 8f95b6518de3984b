// SPDX-License-Identifier: GPL-2.0
//! `smcify audit`: who asks for `TCP_ULP "smc"`, seen where the kernel looks for an ULP.

use crate::args::Audit;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::output::Shown;
use crate::output::lines;
use crate::output::table;
use crate::tracefs::Probe;
use comfy_table::Cell;
use comfy_table::CellAlignment;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;
use procfs::process::Process;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::io::stderr;
use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

/// How often is looked: also the time in which a program that asks must not end, if its path is
/// to be told.
const EVERY: Duration = Duration::from_millis(100);
/// What ends an audit.
const ENDS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Who asked.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// How long was looked, in seconds.
    seconds: u64,
    asked: Vec<Asked>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Asked {
    /// The process.
    pid: i32,
    /// The name of the task that asked.
    comm: String,
    /// The program's file; nothing if it had ended when we looked.
    program: Option<String>,
    count: u64,
}

/// Looks until it is time, or until somebody ends it.
pub fn run(args: &Audit, json: bool) -> Result<Seen> {
    let tried = "watch for signals";
    let next = "report this as a bug of smcify";
    let mask = SigSet::from_iter(ENDS);
    mask.thread_block().or_fail(tried, next)?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).or_fail(tried, next)?;
    let fetch = "name=+0($arg2):string comm=$comm";
    let mut probe = Probe::new("tcp_set_ulp", fetch, "name == \"smc\"")?;
    if !json {
        let until = match args.seconds {
            Some(seconds) => format!("for {seconds} s; Ctrl-C ends it"),
            None => "until Ctrl-C".into(),
        };
        say(&format!(
            "looking for programs that ask for TCP_ULP \"smc\", {until}"
        ));
    }
    let begun = Instant::now();
    let end = args.seconds.map(Duration::from_secs);
    let mut all = BTreeMap::new();
    while end.is_none_or(|end| begun.elapsed() < end) {
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(EVERY).unwrap_or(PollTimeout::ZERO);
        let ended = match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => false,
            polled => polled.or_fail(tried, next)? > 0,
        };
        record(&mut all, probe.lines()?, !json);
        if ended {
            break;
        }
    }
    Ok(Seen {
        seconds: begun.elapsed().as_secs(),
        asked: all.into_values().collect(),
    })
}

fn record(all: &mut BTreeMap<(i32, String), Asked>, lines: Vec<String>, loud: bool) {
    for (comm, tid) in lines.iter().filter_map(|line| who(line)) {
        let process = Process::new(tid);
        let status = process.as_ref().ok().and_then(|it| it.status().ok());
        let pid = status.map_or(tid, |it| it.tgid);
        let asked = all.entry((pid, comm.to_string())).or_insert_with(|| {
            let program = process.ok().and_then(|it| it.exe().ok());
            let program = program.map(|it| it.display().to_string());
            if loud {
                let shown = program.as_deref().unwrap_or("it has ended");
                say(&format!("  {comm}, process {pid} ({shown})"));
            }
            Asked {
                pid,
                comm: comm.to_string(),
                program,
                count: 0,
            }
        });
        asked.count += 1;
    }
}

/// Name and id of the task in a line such as
/// `  <...>-4711  [001] ..... 12.5: tcp_set_ulp: (tcp_set_ulp+0x0/0x90) name="smc" comm="my-prog"`.
/// The name in front is a guess of the kernel's.
fn who(line: &str) -> Option<(&str, i32)> {
    let (head, rest) = line.split_once(": tcp_set_ulp: (")?;
    let (task, _) = head.rsplit_once(" [")?;
    let (_, tid) = task.trim().rsplit_once('-')?;
    let (_, comm) = rest.split_once(" comm=\"")?;
    Some((comm.strip_suffix('"')?, tid.parse().ok()?))
}

/// To the user meanwhile; the result goes to standard output.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

impl Shown for Seen {
    fn text(&self) -> String {
        if self.asked.is_empty() {
            return format!("nobody asked for TCP_ULP \"smc\" in {} s\n", self.seconds);
        }
        let mut table = table(&["COUNT", "PID", "NAME", "PROGRAM"]);
        for it in &self.asked {
            table.add_row([
                Cell::new(it.count).set_alignment(CellAlignment::Right),
                Cell::new(it.pid).set_alignment(CellAlignment::Right),
                Cell::new(&it.comm),
                Cell::new(it.program.as_deref().unwrap_or("(has ended)")),
            ]);
        }
        lines(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(comm: &str, tid: u32) -> String {
        format!(
            "  <...>-{tid}  [001] ...1.  12.500: tcp_set_ulp: (tcp_set_ulp+0x0/0x90) \
             name=\"smc\" comm=\"{comm}\""
        )
    }

    #[test]
    fn a_line_names_its_task() {
        assert_eq!(who(&line("iperf3", 77)), Some(("iperf3", 77)));
        assert_eq!(who(&line("a-b [x] \"c", 9)), Some(("a-b [x] \"c", 9)));
        assert_eq!(who("CPU:1 [LOST 12 EVENTS]"), None);
    }

    #[test]
    fn askers_are_counted_by_process_and_name() {
        let me = std::process::id();
        let lines = vec![
            line("me", me),
            line("me", me),
            line("gone", i32::MAX as u32),
        ];
        let mut all = BTreeMap::new();
        record(&mut all, lines, false);
        let all: Vec<_> = all.into_values().collect();
        assert_eq!((all[0].pid, all[0].count), (me as i32, 2));
        assert!(all[0].program.is_some());
        assert_eq!((all[1].count, &all[1].program), (1, &None));
    }
}
