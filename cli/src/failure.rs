// SPDX-License-Identifier: GPL-2.0
//! What went wrong, as a user needs it: what was tried, what was found, what to type next.

use nix::errno::Errno;
use nix::unistd::geteuid;
use serde::Serialize;
use std::fmt;
use std::process::ExitCode;

/// What a command returns.
pub type Result<T> = std::result::Result<T, Failure>;

/// How a command that failed ends, for scripts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The kernel said no, or something unexpected.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The module smcify is not loaded, or SMC itself is not.
    NotLoaded = 3,
    /// Not root.
    NotAllowed = 4,
    /// Something that was named is not there.
    NotFound = 5,
    /// `check` found something that keeps SMC from working.
    NotReady = 6,
    /// `on --all` wants to be told that the kernel's bugs are known.
    Unconfirmed = 7,
}

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    pub kind: Kind,
    /// What was tried, as in "cannot …".
    pub tried: String,
    /// What was found.
    pub found: String,
    /// What to type next, or to do; may be several lines.
    pub next: String,
}

impl Failure {
    /// All in words.
    pub fn new(
        kind: Kind,
        tried: impl Into<String>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            tried: tried.into(),
            found: found.into(),
            next: next.into(),
        }
    }

    /// From an error, of which `next` is the cure. Without the right to do it, the cure is
    /// another.
    fn of(error: &anyhow::Error, tried: String, next: String) -> Self {
        match errno(error) {
            Some(Errno::EPERM | Errno::EACCES) => Self {
                kind: Kind::NotAllowed,
                tried,
                found: format!("{error:#}; this is user id {}", geteuid()),
                next: match geteuid().is_root() {
                    false => format!("sudo {}", again()),
                    true => "do it outside of the container: only root of the machine may".into(),
                },
            },
            _ => Self::new(Kind::Failed, tried, format!("{error:#}"), next),
        }
    }

    /// How the program ends.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "smcify: cannot {}", self.tried)?;
        writeln!(f, "  found: {}", self.found)?;
        let mut lines = self.next.lines();
        write!(f, "  next:  {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n         {line}"))
    }
}

/// Makes a [`Failure`] of an error.
pub trait OrFail<T> {
    /// `tried` follows "cannot"; `next` is what to type unless the right is missing.
    fn or_fail(self, tried: impl Into<String>, next: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, tried: impl Into<String>, next: impl Into<String>) -> Result<T> {
        self.map_err(|error| Failure::of(&error.into(), tried.into(), next.into()))
    }
}

/// The kernel's answer in an error, if there is one.
pub fn errno(error: &anyhow::Error) -> Option<Errno> {
    error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let code = io.and_then(std::io::Error::raw_os_error);
        code.map(Errno::from_raw)
            .or_else(|| cause.downcast_ref::<Errno>().copied())
    })
}

/// This command once more, as it can be typed.
pub fn again() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    format!("smcify {words}").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_says_what_was_tried_found_and_what_is_next() {
        let failure = Failure::new(Kind::NotLoaded, "go", "no way", "walk\nrun");
        let text = "smcify: cannot go\n  found: no way\n  next:  walk\n         run";
        assert_eq!(failure.to_string(), text);
        let json = serde_json::to_value(&failure).expect("JSON");
        assert_eq!(json["kind"], "not-loaded");
    }

    #[test]
    fn a_missing_right_is_told_from_other_errors() {
        let denied = std::io::Error::from_raw_os_error(libc::EACCES);
        let denied: Result<()> = Err::<(), _>(denied).context("writing").or_fail("go", "x");
        assert_eq!(denied.map_err(|it| it.kind), Err(Kind::NotAllowed));
        let other: Result<()> = Err(Errno::ENOENT).or_fail("go", "x");
        let other = other.expect_err("an error");
        assert_eq!((other.kind, other.next.as_str()), (Kind::Failed, "x"));
    }
}
