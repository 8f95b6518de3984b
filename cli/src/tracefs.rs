// SPDX-License-Identifier: GPL-2.0
//! A kprobe event of our own in a tracing instance of our own. Both are gone when it is dropped.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use anyhow::Context;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// What our groups and instances begin with; a process id follows.
const MINE: &str = "smcify_";

/// A probe that is on.
pub struct Probe {
    root: PathBuf,
    instance: PathBuf,
    /// `GROUP/EVENT`.
    event: String,
    /// Open while this is: the instance cannot be removed before.
    pipe: Option<File>,
    rest: Vec<u8>,
}

impl Probe {
    /// Puts a probe on `function`, which records `fetch`; of its hits, those are kept that
    /// `filter` lets pass. Both as in the kernel's `Documentation/trace/kprobetrace.rst`.
    pub fn new(function: &str, fetch: &str, filter: &str) -> Result<Self> {
        let tried = format!("put a probe on {function}()");
        let root = root(&tried)?;
        sweep(&root);
        let name = format!("{MINE}{}", std::process::id());
        let event = format!("{name}/{function}");
        let instance = root.join("instances").join(&name);
        let next = "this takes a kernel with CONFIG_KPROBE_EVENTS=y: smcify check";
        let made = define(&root, &format!("p:{event} {function} {fetch}"))
            .and_then(|()| switch_on(&instance, &event, filter));
        if made.is_err() {
            undo(&root, &instance, &event);
        }
        let pipe = made.or_fail(tried, next)?;
        Ok(Self {
            root,
            instance,
            event,
            pipe: Some(pipe),
            rest: Vec::new(),
        })
    }

    /// The records since the last call, each a line; does not wait.
    pub fn lines(&mut self) -> Result<Vec<String>> {
        let mut page = [0; 4096];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut page) {
                Ok(0) => break,
                Ok(length) => self
                    .rest
                    .extend_from_slice(page.get(..length).unwrap_or(&[])),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).or_fail("read what the probe saw", "dmesg | tail"),
            }
        }
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_string());
        }
        Ok(lines)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.pipe = None;
        undo(&self.root, &self.instance, &self.event);
    }
}

/// Where tracefs is mounted.
fn root(tried: &str) -> Result<PathBuf> {
    let there = |place: &&&str| Path::new(place).join("kprobe_events").exists();
    if let Some(place) = PLACES.iter().find(there) {
        return Ok(place.into());
    }
    // The directory may be closed to us.
    for place in PLACES {
        match fs::read_dir(place) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                return Err(e).context(place).or_fail(tried, "");
            }
            _ => {}
        }
    }
    let next = format!("mount -t tracefs none {}", PLACES[0]);
    let found = "tracefs is not mounted, or the kernel lacks CONFIG_KPROBE_EVENTS";
    Err(Failure::new(Kind::NotFound, tried, found, next))
}

fn define(root: &Path, line: &str) -> anyhow::Result<()> {
    let path = root.join("kprobe_events");
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    let written = file.write_all(line.as_bytes());
    written.with_context(|| format!("writing {line:?} to {}", path.display()))
}

fn switch_on(instance: &Path, event: &str, filter: &str) -> anyhow::Result<File> {
    fs::create_dir(instance).with_context(|| instance.display().to_string())?;
    let dir = instance.join("events").join(event);
    let write = |path: PathBuf, text: &str| {
        fs::write(&path, text).with_context(|| format!("writing {text:?} to {}", path.display()))
    };
    write(dir.join("filter"), filter)?;
    let pipe = instance.join("trace_pipe");
    let pipe = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&pipe)
        .with_context(|| pipe.display().to_string())?;
    write(dir.join("enable"), "1")?;
    Ok(pipe)
}

/// Takes away what is there, in the order that the kernel wants.
fn undo(root: &Path, instance: &Path, event: &str) {
    let _ = fs::write(instance.join("events").join(event).join("enable"), "0");
    let _ = fs::remove_dir(instance);
    let _ = define(root, &format!("-:{event}"));
}

/// Takes away what those left behind that were killed.
fn sweep(root: &Path) {
    let text = fs::read_to_string(root.join("kprobe_events")).unwrap_or_default();
    for (group, event) in text.lines().filter_map(of_mine) {
        let pid = group.strip_prefix(MINE).unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            undo(
                root,
                &root.join("instances").join(group),
                &format!("{group}/{event}"),
            );
        }
    }
}

/// Group and event of a line such as `p:smcify_77/tcp_set_ulp tcp_set_ulp name=…`, if ours.
fn of_mine(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (group, rest) = rest.split_once('/')?;
    let event = rest.split(' ').next()?;
    let pid = group.strip_prefix(MINE)?;
    pid.parse::<u32>().ok().map(|_| (group, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_events_are_swept() {
        let ours = "p:smcify_77/tcp_set_ulp tcp_set_ulp name=+0($arg2):string";
        assert_eq!(of_mine(ours), Some(("smcify_77", "tcp_set_ulp")));
        assert_eq!(of_mine("p:kprobes/smcify_77 do_exit"), None);
        assert_eq!(of_mine("p:smcify_x/a do_exit"), None);
        assert_eq!(of_mine(""), None);
    }
}
