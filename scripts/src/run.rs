// SPDX-License-Identifier: GPL-2.0
//! Runs a program as part of a step: its output goes to the step's log, and the
//! end of the log into the error when it fails.

use std::collections::VecDeque;
use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rustix::pipe::PipeFlags;
use rustix::pipe::pipe_with;

use crate::enter;

/// Lines of the log that an error repeats.
const EXCERPT: usize = 15;

/// Runs `command`, writes what it prints to `log` (made anew) and gives each line
/// to `line`. Standard output joins standard error in the log.
pub(crate) fn logged(mut command: Command, log: &Path, line: impl FnMut(&str)) -> Result<()> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    let both = writer.try_clone().context("cannot duplicate a pipe")?;
    command
        .stdout(Stdio::from(both))
        .stderr(Stdio::from(writer));
    supervise(command, File::from(reader), log, line)
}

/// As [`logged`], but standard output goes where `command` says; standard error
/// alone is logged.
pub(crate) fn logged_errors(
    mut command: Command,
    log: &Path,
    line: impl FnMut(&str),
) -> Result<()> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    command.stderr(Stdio::from(writer));
    supervise(command, File::from(reader), log, line)
}

/// What `command` prints; the error says what it said when it fails.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, cause(&said));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and calls `poll` twice a second meanwhile; what it prints goes
/// to `log`, the cause alone into the error.
pub(crate) fn polled(mut command: Command, log: &Path, mut poll: impl FnMut()) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = create(log)?;
    let both = output.try_clone().context("cannot duplicate a file")?;
    enter::die_with_spawner(&mut command);
    command.stdin(Stdio::null()).stdout(both).stderr(output);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let status = loop {
        if let Some(status) = child
            .try_wait()
            .with_context(|| format!("cannot wait for {name}"))?
        {
            break status;
        }
        poll();
        thread::sleep(Duration::from_millis(500));
    };
    if !status.success() {
        let said = fs::read_to_string(log).unwrap_or_default();
        bail!("{name} failed ({status}): {}", cause(&said));
    }
    Ok(())
}

/// The one line of a program's complaints that says the most: apt's first
/// `E:`, else the last.
pub(crate) fn cause(said: &str) -> &str {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| line.starts_with("E:"))
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing")
}

fn supervise(
    mut command: Command,
    output: File,
    log: &Path,
    mut line: impl FnMut(&str),
) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut file = create(log)?;
    enter::die_with_spawner(&mut command);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    // The command holds the pipe's other end; without this the pipe never ends.
    drop(command);
    let mut tail = VecDeque::new();
    for_lines(output, |text| {
        writeln!(file, "{text}").with_context(|| format!("cannot write {}", log.display()))?;
        line(&text);
        tail.push_back(text);
        if tail.len() > EXCERPT {
            tail.pop_front();
        }
        Ok(())
    })?;
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for {name}"))?;
    if !status.success() {
        let tail: Vec<_> = tail.into();
        bail!(
            "{name} failed ({status}); the end of {}:\n{}",
            log.display(),
            tail.join("\n")
        );
    }
    Ok(())
}

fn create(log: &Path) -> Result<File> {
    let made: io::Result<File> = (|| {
        fs::create_dir_all(log.parent().unwrap_or(log))?;
        File::create(log)
    })();
    made.with_context(|| format!("cannot write the log {}", log.display()))
}

/// Gives `line` each line of `output`, which need not be UTF-8.
fn for_lines(output: File, mut line: impl FnMut(String) -> Result<()>) -> Result<()> {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while output
        .read_until(b'\n', &mut bytes)
        .context("cannot read a pipe")?
        > 0
    {
        line(String::from_utf8_lossy(&bytes).trim_end().to_string())?;
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_shows_the_end_of_its_log() {
        let dir = std::env::temp_dir().join(format!("setup-run-{}", std::process::id()));
        let log = dir.join("x.log");
        let mut seen = 0;
        let error = logged(sh("seq 100; echo bad >&2; exit 3"), &log, |_| seen += 1)
            .expect_err("exit 3 is a failure");
        let said = format!("{error:#}");
        assert_eq!(seen, 101);
        assert!(
            said.contains("87\n") && !said.contains("\n86\n") && said.ends_with("bad"),
            "{said}"
        );
        assert!(said.contains(&*log.to_string_lossy()), "{said}");
        logged(sh("true"), &log, |_| ()).expect("true succeeds");
        fs::remove_dir_all(dir).expect("made above");
    }

    #[test]
    fn cause_is_the_first_error_of_apt() {
        assert_eq!(cause("W: x\nE: first\nE: second\n"), "E: first");
        assert_eq!(cause("one\ntwo\n\n"), "two");
        assert_eq!(cause(""), "it said nothing");
    }
}
