// SPDX-License-Identifier: GPL-2.0
//! What the person who waits sees: which step of how many, for how long
//! already, and what comes next. A moving line on a terminal, plain lines else.

use std::fmt::Write;
use std::io::IsTerminal;
use std::io::stderr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use indicatif::MultiProgress;
use indicatif::ProgressBar;
use indicatif::ProgressState;
use indicatif::ProgressStyle;

/// Between two signs of life of a long step when there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The steps of a run and where their progress is shown (standard error).
#[derive(Debug)]
pub struct Progress {
    steps: Vec<String>,
    bars: MultiProgress,
    terminal: bool,
}

/// A step under way; shown until dropped. Finish it with [`Step::done`].
#[derive(Debug)]
pub struct Step {
    state: Arc<State>,
    show: Show,
}

/// What is shown of a step.
#[derive(Debug)]
struct State {
    head: String,
    next: String,
    since: Instant,
    note: Mutex<String>,
}

#[derive(Debug)]
enum Show {
    Line(MultiProgress, ProgressBar),
    Plain { _stop: mpsc::Sender<()> },
}

impl Progress {
    /// Plans `steps`, in their order. A step that is already done when its turn
    /// comes is skipped and never shown.
    pub fn new<S: Into<String>>(steps: impl IntoIterator<Item = S>) -> Progress {
        Progress {
            steps: steps.into_iter().map(Into::into).collect(),
            bars: MultiProgress::new(),
            terminal: stderr().is_terminal(),
        }
    }

    /// Begins the step `name`.
    pub fn step(&self, name: &str) -> Step {
        let (head, next) = place(&self.steps, name);
        let state = Arc::new(State {
            head,
            next,
            since: Instant::now(),
            note: Mutex::default(),
        });
        let show = match self.terminal {
            true => Show::Line(self.bars.clone(), self.line(&state)),
            false => {
                eprintln!("{}{}", state.head, state.next);
                Show::Plain {
                    _stop: heartbeat(Arc::clone(&state)),
                }
            }
        };
        Step { state, show }
    }

    /// Says something in between.
    pub fn say(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    /// A line that draws itself anew with the time that has passed.
    fn line(&self, step: &Arc<State>) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let shown = Arc::clone(step);
        if let Ok(style) = ProgressStyle::with_template("{state}") {
            bar.set_style(style.with_key(
                "state",
                move |_: &ProgressState, out: &mut dyn Write| {
                    // The terminal's own errors are no reason to stop.
                    let _ = write!(out, "{}: {}{}", shown.head, shown.now(), shown.next);
                },
            ));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

impl Step {
    /// Shows `text`, how far the step is.
    pub fn note(&self, text: &str) {
        *self
            .state
            .note
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = text.to_string();
    }

    /// Ends the step and leaves a line that says how long it took.
    pub fn done(self) {
        let line = format!(
            "{}: done in {}",
            self.state.head,
            clock(self.state.since.elapsed())
        );
        match &self.show {
            Show::Line(bars, bar) => {
                bar.finish_and_clear();
                bars.suspend(|| eprintln!("{line}"));
            }
            Show::Plain { .. } => eprintln!("{line}"),
        }
    }
}

impl State {
    /// The note and the time since the step began.
    fn now(&self) -> String {
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        let comma = if note.is_empty() { "" } else { ", " };
        format!("{note}{comma}{}", clock(self.since.elapsed()))
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Show::Line(bars, bar) = &self.show {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }
}

/// Prints a line each [`HEARTBEAT`] until the sender that it returns is dropped.
fn heartbeat(step: Arc<State>) -> mpsc::Sender<()> {
    let (stop, stopped) = mpsc::channel();
    thread::spawn(move || {
        while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{}: {}", step.head, step.now());
        }
    });
    stop
}

/// `[3/7] name` and ` — next: name` for the step `name` of `steps`.
fn place(steps: &[String], name: &str) -> (String, String) {
    let Some(index) = steps.iter().position(|step| step == name) else {
        return (name.to_string(), String::new());
    };
    let next = steps.get(index + 1).map(|next| format!(" — next: {next}"));
    (
        format!("[{}/{}] {name}", index + 1, steps.len()),
        next.unwrap_or_default(),
    )
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_from_one_and_names_the_next() {
        let steps = ["root".to_string(), "kernel".to_string()];
        let at = |name| place(&steps, name);
        assert_eq!(at("root"), ("[1/2] root".into(), " — next: kernel".into()));
        assert_eq!(at("kernel"), ("[2/2] kernel".into(), String::new()));
        assert_eq!(at("other"), ("other".into(), String::new()));
    }

    #[test]
    fn clock_has_two_digits_of_seconds() {
        assert_eq!(clock(Duration::from_secs(130)), "2:10");
        assert_eq!(clock(Duration::from_secs(5)), "0:05");
    }
}
