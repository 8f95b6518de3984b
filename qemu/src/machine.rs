// SPDX-License-Identifier: GPL-2.0
//! One guest from boot to power-off: started, followed, timed, judged.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::ExitStatus;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use setup::Root;

use crate::log::Event;
use crate::log::Log;
use crate::qemu::INITRAMFS;
use crate::qemu::KERNEL;
use crate::qemu::MONITOR;
use crate::qemu::SERIAL;
use crate::qemu::Shape;
use crate::splat::Splat;

/// What CMD printed, below the guest's directory.
pub const RESULTS: &str = "results.ktap";

/// How often the serial log is looked at.
const PULSE: Duration = Duration::from_millis(40);
/// How long a guest may take to switch itself off, or to panic.
const POWER_OFF: Duration = Duration::from_secs(20);

/// A guest that is ready to start: its kernel and initramfs lie in `dir`.
pub struct Guest<'a> {
    pub root: &'a Root,
    pub dir: PathBuf,
    pub shape: Shape,
    pub timeout: Option<Duration>,
}

/// How a guest ended.
pub struct Ended {
    pub dir: PathBuf,
    /// CMD's status, if the guest lived to tell.
    pub exit: Option<i32>,
    pub splats: Vec<Splat>,
    pub timed_out: bool,
    /// The last lines of the kernel log.
    pub tail: Vec<String>,
    /// What QEMU itself had to say.
    pub complaint: String,
}

/// How a boot of a guest ended.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// CMD is over, and this is its status.
    Exits(i32),
    /// The guest is to boot anew.
    Restarts,
    Dies,
    TimedOut,
}

/// Takes what CMD prints, as it comes.
pub type Output = Box<dyn FnMut(&[u8]) + Send>;

impl Guest<'_> {
    /// Runs the guest to its end, however often it boots anew. Call it from a thread that
    /// lives as long: QEMU is terminated with the thread that started it.
    pub fn run(&self, mut output: Output, mut event: impl FnMut(&Event)) -> Result<Ended> {
        let mut log = Log::default();
        let mut serial = Serial::new(&self.dir.join(SERIAL));
        let (end, complaint) = loop {
            let (end, complaint);
            (end, complaint, output) = self.boot(output, &mut log, &mut serial, &mut event)?;
            if end != End::Restarts {
                break (end, complaint);
            }
            log.cut();
        };
        for name in [INITRAMFS, KERNEL] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        let (splats, tail) = log.finish();
        Ok(Ended {
            dir: self.dir.clone(),
            exit: match end {
                End::Exits(status) => Some(status),
                _ => None,
            },
            splats,
            timed_out: end == End::TimedOut,
            tail,
            complaint,
        })
    }

    /// Runs QEMU once: how that ended, what QEMU said, and `output` back.
    fn boot(
        &self,
        output: Output,
        log: &mut Log,
        serial: &mut Serial,
        event: &mut impl FnMut(&Event),
    ) -> Result<(End, String, Output)> {
        let mut command = self.shape.command(self.root, &self.dir);
        let mut child = command.spawn().context("cannot start QEMU")?;
        // An end-of-file on its input would unplug the console: keep it open.
        let input = child.stdin.take();
        let copier = copy(child.stdout.take(), &self.dir.join(RESULTS), output)?;
        let complaints = child.stderr.take().map(read_all);
        let followed = self.follow(&mut child, log, serial, event);
        if followed.is_err() {
            // The error is the news; QEMU must not outlive it.
            let _ = child.kill();
            let _ = child.wait();
        }
        drop(input);
        let end = followed?;
        let output = copier.join().map_err(|_| anyhow!("the lab has a bug"))?;
        let complaint = complaints
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        Ok((end, complaint, output))
    }

    /// Reads the serial log until QEMU is gone; says how it ended.
    fn follow(
        &self,
        child: &mut Child,
        log: &mut Log,
        serial: &mut Serial,
        event: &mut impl FnMut(&Event),
    ) -> Result<End> {
        let mut deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut end = End::Dies;
        loop {
            let gone: Option<ExitStatus> = child.try_wait().context("cannot wait for QEMU")?;
            for happened in log.feed(&serial.more()?) {
                let ends = match happened {
                    Event::Exit(status) => Some(End::Exits(status)),
                    Event::Restart => Some(End::Restarts),
                    _ => None,
                };
                // Whose time is over has ended by that, whatever comes still.
                if let Some(ends) = ends.filter(|_| end != End::TimedOut) {
                    end = ends;
                    deadline = Some(Instant::now() + POWER_OFF);
                }
                event(&happened);
            }
            if gone.is_some() {
                return Ok(end);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                let hangs = !matches!(end, End::Exits(_) | End::TimedOut);
                if hangs {
                    end = End::TimedOut;
                }
                if hangs && self.interrupt().is_ok() {
                    deadline = Some(Instant::now() + POWER_OFF);
                } else {
                    child.kill().context("cannot kill QEMU")?;
                }
            }
            thread::sleep(PULSE);
        }
    }

    /// Has a kernel that hangs say, by a panic, where each of its processors is.
    fn interrupt(&self) -> io::Result<()> {
        // A socket's path is short; a checkout's need not be.
        let dir = File::open(&self.dir)?;
        let path = format!("/proc/self/fd/{}/{MONITOR}", dir.as_raw_fd());
        UnixStream::connect(path)?.write_all(b"nmi\n")
    }
}

/// A file that grows.
struct Serial {
    path: PathBuf,
    file: Option<File>,
}

impl Serial {
    fn new(path: &Path) -> Serial {
        Serial {
            path: path.to_path_buf(),
            file: None,
        }
    }

    /// What has come since the last call.
    fn more(&mut self) -> Result<Vec<u8>> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            let read = file.read_to_end(&mut bytes);
            read.with_context(|| format!("cannot read {}", self.path.display()))?;
        }
        Ok(bytes)
    }
}

/// Copies CMD's output, if there is any, to `file` and to `output` until it ends; gives `output`
/// back.
fn copy(
    mut from: Option<impl Read + Send + 'static>,
    file: &Path,
    mut output: Output,
) -> Result<JoinHandle<Output>> {
    let mut file =
        File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Some(Ok(read @ 1..)) = from.as_mut().map(|from| from.read(&mut buffer)) {
            output(&buffer[..read]);
            // A full disk shows when the results are read.
            let _ = file.write_all(&buffer[..read]);
        }
        output
    }))
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        text
    })
}
