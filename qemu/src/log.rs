// SPDX-License-Identifier: GPL-2.0
//! A guest's serial log as it grows: the init's control lines, the kernel's reports.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use crate::splat::Splat;
use crate::splat::Watcher;
use crate::splat::message;

/// Lines of the log that are shown when a guest dies without a report.
const TAIL: usize = 25;

/// What the guest's init says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Modules are loaded, the command is about to start.
    Up,
    /// A scenario starts.
    Begin(String),
    /// A scenario is over: its name, its verdict, how long it took.
    End(String, bool, Duration),
    /// The guest is about to boot anew.
    Restart,
    /// The command's exit status.
    Exit(i32),
}

/// Follows a serial log.
#[derive(Default)]
pub struct Log {
    watcher: Watcher,
    scenario: Option<(String, Instant)>,
    tail: VecDeque<String>,
    partial: Vec<u8>,
}

impl Log {
    /// Takes what the log has grown by and says what happened.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.partial.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            events.extend(self.line(&String::from_utf8_lossy(&line)));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        let line = line.trim_end();
        let event = message(line).strip_prefix("lab: ").and_then(control);
        if let Some(Event::Begin(name)) = &event {
            self.scenario = Some((name.clone(), Instant::now()));
        }
        let scenario = self.scenario.as_ref().map(|(name, _)| name.as_str());
        self.watcher.line(line, scenario);
        self.tail.push_back(line.to_string());
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
        match event {
            Some(Event::Restart) => {
                self.scenario = None;
                Some(Event::Restart)
            }
            Some(Event::End(name, ok, _)) => {
                let since = self.scenario.take().map(|(_, since)| since.elapsed());
                Some(Event::End(name, ok, since.unwrap_or_default()))
            }
            event => event,
        }
    }

    /// The guest is gone; what comes now is of another boot.
    pub fn cut(&mut self) {
        let rest = std::mem::take(&mut self.partial);
        self.line(&String::from_utf8_lossy(&rest));
    }

    /// The reports and the last lines; the log is at its end.
    pub fn finish(mut self) -> (Vec<Splat>, Vec<String>) {
        self.cut();
        (self.watcher.finish(), self.tail.into())
    }
}

/// Reads a control line, without its `lab: `.
fn control(text: &str) -> Option<Event> {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["up"] => Some(Event::Up),
        ["restart"] => Some(Event::Restart),
        ["exit", status] => status.parse().ok().map(Event::Exit),
        ["scenario", name, "begin"] => Some(Event::Begin(name.to_string())),
        ["scenario", name, "end", verdict @ ..] => {
            let ok = *verdict == ["ok"];
            Some(Event::End(name.to_string(), ok, Duration::ZERO))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_lines_become_events_however_they_are_cut() {
        let mut log = Log::default();
        assert_eq!(log.feed(b"[    1.5] lab: u"), []);
        assert_eq!(
            log.feed(b"p\r\n[    1.6][   T1] lab: exit 130\r\n"),
            [Event::Up, Event::Exit(130)]
        );
    }

    #[test]
    fn a_guest_that_boots_anew_begins_a_line() {
        let mut log = Log::default();
        log.feed(b"lab: scenario vfs begin\n");
        let events = log.feed(b"lab: restart\n[    3.5] smc: rem");
        assert_eq!(events, [Event::Restart]);
        log.cut();
        assert_eq!(log.feed(b"[    0.0] lab: up\n"), [Event::Up]);
        log.feed(b"[ 2.0] BUG: KASAN: double-free in x+0x1/0x2\n");
        let (splats, tail) = log.finish();
        assert_eq!(splats[0].scenario, None);
        assert_eq!(tail[2], "[    3.5] smc: rem");
    }

    #[test]
    fn a_report_belongs_to_the_scenario_that_was_running() {
        let mut log = Log::default();
        log.feed(b"lab: scenario vfs begin\n[ 2.0] BUG: KASAN: double-free in x+0x1/0x2\n");
        log.feed(b"==================================\n");
        let events = log.feed(b"lab: scenario vfs end not ok\n");
        assert!(matches!(&events[..], [Event::End(name, false, _)] if name == "vfs"));
        let (splats, tail) = log.finish();
        assert_eq!(splats[0].scenario.as_deref(), Some("vfs"));
        assert_eq!(tail.len(), 5);
    }
}
