// SPDX-License-Identifier: GPL-2.0
//! Finds the kernel's complaints in a serial log and cuts out each report.

use std::fmt;

/// A report longer than this is cut: what matters is at its head.
const LONGEST_REPORT: usize = 150;

/// What a report complains about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Kasan,
    Lockdep,
    Rcu,
    Kmemleak,
    Refcount,
    RefTracker,
    NetdevLeak,
    Odebug,
    Ubsan,
    Atomic,
    Lockup,
    HungTask,
    Oops,
    Panic,
    Warning,
    Bug,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Kasan => "KASAN",
            Kind::Lockdep => "lockdep",
            Kind::Rcu => "RCU",
            Kind::Kmemleak => "kmemleak",
            Kind::Refcount => "refcount",
            Kind::RefTracker => "ref_tracker",
            Kind::NetdevLeak => "netdev leak",
            Kind::Odebug => "ODEBUG",
            Kind::Ubsan => "UBSAN",
            Kind::Atomic => "sleep in atomic",
            Kind::Lockup => "lockup",
            Kind::HungTask => "hung task",
            Kind::Oops => "Oops",
            Kind::Panic => "panic",
            Kind::Warning => "WARNING",
            Kind::Bug => "BUG",
        })
    }
}

/// What titles begin with, said by the kind already.
const PREFIXES: [&str; 4] = [KASAN, "WARNING: ", "BUG: ", "Oops: "];

/// One report of the kernel.
#[derive(Clone, Debug)]
pub struct Splat {
    pub kind: Kind,
    /// The line that names the complaint, without its time stamp.
    pub title: String,
    /// The scenario that was running, if any was.
    pub scenario: Option<String>,
    /// The report, from its first line to its last, as printed.
    pub excerpt: Vec<String>,
}

impl Splat {
    /// The first function of the report that is not the reporter itself.
    pub fn function(&self) -> Option<String> {
        let lines = || self.excerpt.iter().map(|line| message(line));
        let here = |line: &&str| line.contains("RIP: 0010:");
        let trace = || lines().skip_while(|line| !line.starts_with("Call Trace:"));
        named_function(&self.title)
            .or_else(|| lines().filter(here).find_map(trace_function))
            .or_else(|| trace().find_map(trace_function))
            .or_else(|| lines().find_map(trace_function))
    }

    /// One line: the kind and where, such as `KASAN slab-use-after-free in seq_show`.
    pub fn summary(&self) -> String {
        let title = self.title.as_str();
        let plain = PREFIXES
            .iter()
            .find_map(|prefix| title.strip_prefix(prefix));
        let what = plain.unwrap_or(title);
        let what = what.split_once(" in ").map_or(what, |(what, _)| what);
        // `file.c:1 at function+0x1/0x2, CPU#0: task/1`: the function is said anyway.
        let what = match what.split_once(" at ") {
            Some((place, rest)) if rest.contains("+0x") => place,
            _ => what,
        };
        match self.function() {
            Some(function) => format!("{}: {what} in {function}", self.kind),
            None => format!("{}: {what}", self.kind),
        }
    }
}

/// A report in parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parts {
    /// What KASAN found, as in `slab-use-after-free`; of other reports, the kind.
    pub kind: String,
    /// `Read` or `Write`, where KASAN says so; else empty.
    pub access: String,
    /// Where it happened.
    pub function: String,
    /// Who allocated the object, innermost first.
    pub allocated: Vec<String>,
    /// Who freed it, innermost first; for what RCU frees, also who gave it to RCU.
    pub freed: Vec<String>,
}

impl Splat {
    /// What the report says.
    pub fn parts(&self) -> Parts {
        let kasan = self.title.split_once(KASAN);
        let kasan = kasan.and_then(|(_, rest)| Some(rest.split_once(" in ")?.0));
        let access = self.excerpt.iter().find_map(|line| {
            let (access, _) = message(line).split_once(" of size ")?;
            ["Read", "Write"].contains(&access).then_some(access)
        });
        let names = |stack: Vec<(usize, &str)>| -> Vec<String> {
            stack.iter().map(|(_, name)| name.to_string()).collect()
        };
        Parts {
            kind: kasan.map_or(self.kind.to_string(), str::to_string),
            access: access.unwrap_or_default().to_string(),
            function: self.function().unwrap_or_default(),
            allocated: names(self.allocated()),
            freed: names(self.freed()),
        }
    }

    /// The frames of the stack that allocated the object: number of the line, function.
    pub fn allocated(&self) -> Vec<(usize, &str)> {
        self.stack("Allocated by task ")
    }

    /// The frames of the stack that freed the object; for what RCU frees, of the one that
    /// gave it to RCU, too.
    pub fn freed(&self) -> Vec<(usize, &str)> {
        let mut frames = self.stack("Freed by task ");
        frames.extend(self.stack("Last potentially related work creation:"));
        frames
    }

    /// The frames of the stack that the report is about.
    pub fn trace(&self) -> Vec<(usize, &str)> {
        let mut frames = self.stack("Call Trace:");
        frames.retain(|(_, name)| !name.starts_with(['<', '?']));
        frames
    }

    /// The frames of the stack below the line that begins with `head`.
    fn stack(&self, head: &str) -> Vec<(usize, &str)> {
        let lines = self.excerpt.iter().map(|line| message(line)).enumerate();
        let below = lines
            .skip_while(|(_, line)| !line.starts_with(head))
            .skip(1);
        let frames = below.map_while(|(at, line)| Some((at, line.strip_prefix(' ')?)));
        let names = frames
            .filter_map(|(at, frame)| Some((at, frame.trim_start().split(['+', '.']).next()?)));
        names.collect()
    }
}

/// What a title of KASAN begins with.
const KASAN: &str = "BUG: KASAN: ";

/// What a line must contain to open a report; the first that fits names the kind.
const HEADERS: [(&str, Kind); 42] = [
    (KASAN, Kind::Kasan),
    ("WARNING: possible circular locking", Kind::Lockdep),
    ("WARNING: possible recursive locking", Kind::Lockdep),
    ("WARNING: possible irq lock inversion", Kind::Lockdep),
    ("WARNING: inconsistent lock state", Kind::Lockdep),
    ("-unsafe lock order detected", Kind::Lockdep),
    ("WARNING: bad unlock balance", Kind::Lockdep),
    ("WARNING: bad contention", Kind::Lockdep),
    ("WARNING: Nested lock was not taken", Kind::Lockdep),
    ("WARNING: held lock freed", Kind::Lockdep),
    ("WARNING: lock held when returning", Kind::Lockdep),
    ("BUG: Invalid wait context", Kind::Lockdep),
    ("INFO: trying to register non-static key", Kind::Lockdep),
    ("BUG: MAX_LOCK", Kind::Lockdep),
    ("DEBUG_LOCKS_WARN_ON", Kind::Lockdep),
    ("WARNING: suspicious RCU usage", Kind::Rcu),
    ("self-detected stall", Kind::Rcu),
    ("detected stalls on CPUs/tasks", Kind::Rcu),
    ("detected expedited stalls", Kind::Rcu),
    ("rcu_tasks detected stalls", Kind::Rcu),
    ("new suspected memory leaks", Kind::Kmemleak),
    ("unreferenced object 0x", Kind::Kmemleak),
    ("refcount_t: ", Kind::Refcount),
    ("ref_tracker: ", Kind::RefTracker),
    ("to become free. Usage count", Kind::NetdevLeak),
    ("ODEBUG: ", Kind::Odebug),
    ("UBSAN: ", Kind::Ubsan),
    ("BUG: sleeping function called", Kind::Atomic),
    ("BUG: scheduling while atomic", Kind::Atomic),
    ("BUG: soft lockup", Kind::Lockup),
    ("BUG: workqueue lockup", Kind::Lockup),
    ("Watchdog detected hard LOCKUP", Kind::Lockup),
    (" blocked for more than ", Kind::HungTask),
    ("general protection fault", Kind::Oops),
    ("BUG: kernel NULL pointer", Kind::Oops),
    ("BUG: unable to handle", Kind::Oops),
    ("kernel BUG at ", Kind::Bug),
    ("Oops: ", Kind::Oops),
    (PANIC, Kind::Panic),
    ("rust_kernel: panicked at", Kind::Panic),
    ("WARNING: ", Kind::Warning),
    ("BUG: ", Kind::Bug),
];

/// Lines that look like a header and are none, each with the reason.
/// Nothing else is ever passed over.
const ALLOWED: [(&str, &str); 1] = [(
    "Unprivileged eBPF is enabled",
    "The CPU that QEMU models has eIBRS and the kernel says so at boot; nothing went wrong.",
)];

/// How the kernel's last report begins.
const PANIC: &str = "Kernel panic - not syncing";

/// Before each line of a leak report, which the guest's init prints.
const LEAK: &str = "lab: kmemleak: ";

/// The message of a console line: without `\r`, time stamp, caller and [`LEAK`].
pub fn message(line: &str) -> &str {
    let mut rest = line.trim_end();
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((stamp, after)) = inner.split_once(']') else {
            break;
        };
        let stamp = stamp.trim_start();
        let caller = stamp.starts_with(['T', 'C']) && stamp[1..].parse::<u32>().is_ok();
        if !caller && stamp.parse::<f64>().is_err() {
            break;
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
        // The caller field stands right after the stamp, padded with blanks.
        if rest.trim_start().starts_with("[T") || rest.trim_start().starts_with("[C") {
            rest = rest.trim_start();
        }
    }
    rest.strip_prefix(LEAK).unwrap_or(rest)
}

fn header(message: &str) -> Option<Kind> {
    if ALLOWED.iter().any(|(text, _)| message.contains(text)) {
        return None;
    }
    let found = HEADERS.iter().find(|(text, _)| message.contains(text));
    found.map(|(_, kind)| *kind)
}

fn bare(name: &str) -> Option<String> {
    let name = name.split(['+', '/', ' ', ',', '(']).next()?;
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (sound && !name.contains('.')).then(|| name.to_string())
}

/// The function that a header names itself, as in `… in seq_show+0x1/0x2`.
fn named_function(title: &str) -> Option<String> {
    let mut words = title.split_whitespace();
    words.find(|word| word.contains("+0x")).and_then(bare)
}

/// Functions that only print, check or lock: never the culprit.
const REPORTERS: [&str; 38] = [
    "dump_stack",
    "show_stack",
    "print_",
    "kasan_",
    "__asan_",
    "check_noncircular",
    "check_prev_add",
    "check_wait_context",
    "validate_chain",
    "mark_lock",
    "__lock_acquire",
    "lock_acquire",
    "lock_release",
    "__lock_release",
    "lockdep_",
    "__might_resched",
    "__might_sleep",
    "__schedule_bug",
    "__warn",
    "report_bug",
    "handle_bug",
    "exc_",
    "asm_exc_",
    "ubsan_",
    "__ubsan_",
    "debug_print_object",
    "refcount_warn_saturate",
    "panic",
    "vpanic",
    "mutex_lock",
    "__mutex_lock",
    "_raw_",
    "kmemleak_alloc",
    "kmem_cache_alloc",
    "kmalloc",
    "__kmalloc",
    "__kvmalloc",
    "slab_post_alloc",
];

/// A `func+0x1/0x2` line of a call trace, or `RIP: 0010:func+…`; a `? func…` is a guess.
fn trace_function(message: &str) -> Option<String> {
    let text = match message.split_once("RIP: 0010:") {
        Some((_, text)) => text,
        None if message.starts_with(' ') => message.trim_start(),
        None => return None,
    };
    let name = text.contains("+0x").then(|| bare(text))??;
    let reporter = REPORTERS.iter().any(|reporter| name.starts_with(reporter));
    (!reporter).then_some(name)
}

/// Where a report that has begun will end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// At `---[ end trace`.
    Trace,
    /// At the next line of `=` signs.
    Ruler,
    /// After the call trace that it prints.
    CallTrace,
    /// Before the first line that is not indented.
    Indented,
    /// With the boot: the stacks of the other processors follow.
    Boot,
}

struct Open {
    splat: Splat,
    end: End,
    named: bool,
}

/// Reads a kernel log line by line and gathers the reports in it.
#[derive(Default)]
pub struct Watcher {
    open: Option<Open>,
    found: Vec<Splat>,
}

impl Watcher {
    /// Takes the next line; `scenario` is the one that runs now.
    pub fn line(&mut self, line: &str, scenario: Option<&str>) {
        let text = message(line);
        if let Some(open) = self.open.take() {
            match open.next(line, text) {
                Step::More(open) => {
                    self.open = Some(open);
                    return;
                }
                Step::Last(splat) => {
                    self.found.push(splat);
                    return;
                }
                Step::Over(splat) => self.found.push(splat),
            }
        }
        self.open = Open::from(line, text, scenario);
    }

    /// All reports, the log being at its end.
    pub fn finish(mut self) -> Vec<Splat> {
        self.found.extend(self.open.take().map(|open| open.splat));
        self.found
    }
}

enum Step {
    More(Open),
    /// The line was the report's last.
    Last(Splat),
    /// The report ended before the line.
    Over(Splat),
}

impl Open {
    fn from(line: &str, text: &str, scenario: Option<&str>) -> Option<Open> {
        let cut_here = text.contains("[ cut here ]");
        let kind = header(text);
        let end = match kind {
            _ if cut_here => End::Trace,
            None => return None,
            Some(Kind::Kasan | Kind::Ubsan) => End::Ruler,
            Some(Kind::Kmemleak | Kind::RefTracker | Kind::NetdevLeak) => End::Indented,
            _ if text.starts_with(PANIC) => End::Boot,
            Some(_) => End::CallTrace,
        };
        let splat = Splat {
            kind: kind.unwrap_or(Kind::Warning),
            title: text.to_string(),
            scenario: scenario.map(str::to_string),
            excerpt: vec![line.trim_end().to_string()],
        };
        let named = !cut_here;
        Some(Open { splat, end, named })
    }

    fn next(mut self, line: &str, text: &str) -> Step {
        let long = self.splat.excerpt.len() >= LONGEST_REPORT;
        // A title is never within a report, so the end of the one before is lost.
        if text.starts_with("lab: ") || text.starts_with(KASAN) || long {
            return Step::Over(self.splat);
        }
        if self.end == End::Indented && !line_continues(text) {
            return Step::Over(self.splat);
        }
        self.name(text);
        self.splat.excerpt.push(line.trim_end().to_string());
        let ends = match self.end {
            End::Trace => text.contains("---[ end trace"),
            End::Ruler => text.starts_with("=========="),
            End::CallTrace => text.contains("</TASK>") || text.contains("---[ end "),
            End::Indented | End::Boot => false,
        };
        match ends {
            true => Step::Last(self.splat),
            false => Step::More(self),
        }
    }

    /// A `cut here` block says what it is about in the lines that follow.
    fn name(&mut self, text: &str) {
        if self.named {
            return;
        }
        if let Some(kind) = header(text) {
            self.splat.kind = kind;
            self.splat.title = text.to_string();
            self.named = true;
        }
    }
}

fn line_continues(text: &str) -> bool {
    text.starts_with(' ') && !text.trim().is_empty()
}

#[cfg(test)]
mod tests;
