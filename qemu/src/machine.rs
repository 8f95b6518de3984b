// SPDX-License-Identifier: GPL-2.0
//! One guest from boot to power-off: started, followed, timed, judged.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
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
use setup::Root;

use crate::log::Event;
use crate::log::Log;
use crate::qemu::INITRAMFS;
use crate::qemu::KERNEL;
use crate::qemu::SERIAL;
use crate::qemu::Shape;
use crate::splat::Splat;

/// What CMD printed, below the guest's directory.
pub const RESULTS: &str = "results.ktap";

/// How often the serial log is looked at.
const PULSE: Duration = Duration::from_millis(40);
/// How long a guest may take to switch itself off.
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

/// Takes what CMD prints, as it comes.
pub type Output = Box<dyn FnMut(&[u8]) + Send>;

impl Guest<'_> {
    /// Runs the guest to its end. Call it from a thread that lives as long:
    /// QEMU is terminated with the thread that started it.
    pub fn run(&self, output: Output, mut event: impl FnMut(&Event)) -> Result<Ended> {
        let mut command = self.shape.command(self.root, &self.dir);
        let mut child = command.spawn().context("cannot start QEMU")?;
        // An end-of-file on its input would unplug the console: keep it open.
        let input = child.stdin.take();
        let copier = match child.stdout.take() {
            Some(stdout) => Some(copy(stdout, &self.dir.join(RESULTS), output)?),
            None => None,
        };
        let complaints = child.stderr.take().map(read_all);
        let mut log = Log::default();
        let followed = self.follow(&mut child, &mut log, &mut event);
        if followed.is_err() {
            // The error is the news; QEMU must not outlive it.
            let _ = child.kill();
            let _ = child.wait();
        }
        drop(input);
        let (exit, timed_out) = followed?;
        if let Some(copier) = copier {
            let _ = copier.join();
        }
        let complaint = complaints
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        for name in [INITRAMFS, KERNEL] {
            let _ = fs::remove_file(self.dir.join(name));
        }
        let (splats, tail) = log.finish();
        let dir = self.dir.clone();
        Ok(Ended {
            dir,
            exit,
            splats,
            timed_out,
            tail,
            complaint,
        })
    }

    /// Reads the serial log until QEMU is gone; says CMD's status and whether
    /// the guest had to be killed.
    fn follow(
        &self,
        child: &mut Child,
        log: &mut Log,
        event: &mut impl FnMut(&Event),
    ) -> Result<(Option<i32>, bool)> {
        let mut serial = Serial::new(&self.dir.join(SERIAL));
        let mut deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut exit = None;
        let mut killed = false;
        loop {
            let gone: Option<ExitStatus> = child.try_wait().context("cannot wait for QEMU")?;
            for happened in log.feed(&serial.more()?) {
                if let Event::Exit(status) = happened {
                    exit = Some(status);
                    deadline = Some(Instant::now() + POWER_OFF);
                }
                event(&happened);
            }
            if gone.is_some() {
                return Ok((exit, killed && exit.is_none()));
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                killed = true;
                child.kill().context("cannot kill QEMU")?;
            }
            thread::sleep(PULSE);
        }
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

/// Copies CMD's output to `file` and to `output` until it ends.
fn copy(
    mut from: impl Read + Send + 'static,
    file: &Path,
    mut output: Output,
) -> Result<JoinHandle<()>> {
    let mut file =
        File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(thread::spawn(move || {
        let mut buffer = [0; 16384];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            output(&buffer[..read]);
            // A full disk shows when the results are read.
            let _ = file.write_all(&buffer[..read]);
        }
    }))
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = from.read_to_string(&mut text);
        text
    })
}
