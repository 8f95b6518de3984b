// SPDX-License-Identifier: GPL-2.0
//! A run: one guest, or two with a network between them, from content to verdict.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;

use crate::content;
use crate::content::Content;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::log::Event;
use crate::machine::Ended;
use crate::machine::Guest;
use crate::machine::Output;
use crate::qemu::INITRAMFS;
use crate::qemu::KERNEL;
use crate::qemu::Shape;

/// Statuses of a run that are not the command's own.
pub const SPLAT: u8 = 70;
pub const DIED: u8 = 71;
pub const TIMEOUT: u8 = 72;
pub const FAILED: u8 = 73;

/// A run to be made.
pub struct Boot<'a> {
    pub ground: &'a Ground,
    pub bench: &'a Bench,
    pub content: Content,
    pub memory: u32,
    pub cpus: u32,
    /// A read-only disk of the guests'.
    pub drive: Option<PathBuf>,
    /// Whether the guest's clock counts instructions.
    pub counts: bool,
    /// Whether KASAN goes on after its first report.
    pub multi_shot: bool,
    pub timeout: Option<Duration>,
    pub interactive: bool,
    /// Where the run's files go.
    pub dir: PathBuf,
}

impl Boot<'_> {
    /// Boots all guests at once and waits for all of them. `output` makes the
    /// taker of a guest's output, `event` hears what its init says.
    pub fn run(
        &self,
        output: impl Fn(u8) -> Output,
        event: impl Fn(u8, &Event) + Sync,
    ) -> Result<Vec<Ended>> {
        let (plan, mut image) = self.content.gather(self.ground, self.bench)?;
        let nodes = self.content.nodes.max(1);
        let mut guests = Vec::new();
        for node in 0..nodes {
            let guest = self.guest(node, nodes);
            fs::create_dir_all(&guest.dir)
                .with_context(|| format!("cannot make {}", guest.dir.display()))?;
            copy(&self.bench.built.image, &guest.dir.join(KERNEL))?;
            content::write(&plan, node, &mut image, &guest.dir.join(INITRAMFS))?;
            guests.push((node, guest, output(node)));
        }
        let event = &event;
        thread::scope(|scope| {
            let run = |(node, guest, output): (u8, Guest, Output)| {
                guest.run(output, |happened| event(node, happened))
            };
            let running: Vec<_> = guests
                .into_iter()
                .map(|one| scope.spawn(move || run(one)))
                .collect();
            let ended = running
                .into_iter()
                .map(|guest| guest.join().map_err(|_| anyhow!("the lab has a bug"))?);
            ended.collect()
        })
    }

    /// Where the files of guest `node` lie.
    pub fn node_dir(&self, node: u8) -> PathBuf {
        match self.content.nodes {
            ..=1 => self.dir.clone(),
            _ => self.dir.join(node.to_string()),
        }
    }

    fn guest(&self, node: u8, nodes: u8) -> Guest<'_> {
        let alone = nodes == 1;
        Guest {
            root: self.bench.root(self.ground),
            dir: self.node_dir(node),
            shape: Shape {
                arch: self.bench.built.arch,
                accel: self.bench.accel,
                memory: self.memory,
                cpus: self.cpus,
                drive: self.drive.clone(),
                counts: self.counts,
                multi_shot: self.multi_shot,
                leaks: self.content.leaks || self.interactive,
                acpi: !self.bench.has("CONFIG_X86_MPPARSE=y"),
                node: (!alone).then_some(node),
                interactive: self.interactive,
            },
            timeout: self.timeout,
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

impl Ended {
    /// The status of a run that ended like this.
    pub fn status(&self) -> u8 {
        match self.exit {
            // Its kernel was made to report something, whatever it had to report before.
            None if self.timed_out => TIMEOUT,
            _ if !self.splats.is_empty() => SPLAT,
            Some(status) => u8::try_from(status).unwrap_or(DIED),
            None => DIED,
        }
    }

    /// What went wrong apart from the command's own status, in full.
    pub fn trouble(&self) -> Option<String> {
        let log = self.dir.join(crate::qemu::SERIAL);
        let mut text = String::new();
        if self.timed_out {
            text += "the guest was still running when its time was over\n";
        }
        for splat in &self.splats {
            let scenario = splat
                .scenario
                .as_ref()
                .map(|name| format!(" (scenario {name})"));
            text += &format!("{}{}\n", splat.summary(), scenario.unwrap_or_default());
            text += &indented(&splat.excerpt);
        }
        if self.splats.is_empty() && self.exit.is_none() {
            if !self.timed_out {
                text += "the guest died before the command was over\n";
            }
            text += &indented(&self.tail);
            text += &self.complaint;
        }
        (!text.is_empty()).then(|| format!("{text}the whole kernel log: {}", log.display()))
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {line}\n")).collect()
}
