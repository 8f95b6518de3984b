// SPDX-License-Identifier: GPL-2.0
//! The chart of `docs/migration.md`: every command that it ends in is run as it stands there,
//! and does what the chart says.

use crate::kernel::cgroup::Cgroup;
use crate::kernel::netns;
use crate::kernel::netns::Netns;
use crate::scenario::Report;
use crate::scenario::same;
use crate::smcify::CONFIG;
use crate::smcify::Smcify;
use crate::smcify::rule::listed;
use crate::smcify::rule::remove_all_but;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount;
use std::collections::BTreeSet;
use std::fs::File;
use std::fs::create_dir_all;
use std::fs::read_to_string;
use std::fs::write;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../../../docs/migration.md");
/// What stands before a command.
const LEAF: &str = "▶ ";

/// The lines of the chart, which is the first block of code.
fn chart() -> Vec<&'static str> {
    let block = PAGE.split("```").nth(1).unwrap_or_default();
    block
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// The commands in it, from top to bottom.
fn commands() -> Vec<&'static str> {
    let lines = chart().into_iter();
    let command = |line: &'static str| line.split_once(LEAF).map(|(_, command)| command);
    lines.filter_map(command).collect()
}

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    let world = World::new()?;
    for command in commands() {
        let before = listed()?;
        let found = world.does(&smcify, command, &before);
        report.check(command, found);
        remove_all_but(&before)?;
        smcify.set_default("tcp")?;
    }
    drop(world);
    report.check("rmmod", smcify.unload());
    Ok(())
}

/// What the chart's commands name.
struct World {
    services: [Cgroup; 4],
    netns: Netns,
}

const NETNS: &str = "/run/netns/blue";
const USERS: &str = "/etc/passwd";
const REDIS: u32 = 999;

impl World {
    fn new() -> Result<Self> {
        let (system, machine) = (Cgroup::new("system.slice")?, Cgroup::new("machine.slice")?);
        let (nginx, web) = (system.below("nginx.service")?, machine.below("web.scope")?);
        let netns = Netns::new()?;
        create_dir_all("/run/netns")?;
        File::create(NETNS)?;
        let fd = format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd());
        let none = None::<&str>;
        mount(Some(fd.as_str()), NETNS, none, MsFlags::MS_BIND, none).context(NETNS)?;
        write(
            USERS,
            format!("root:x:0:0::/:/bin/sh\nredis:x:{REDIS}:{REDIS}::/:/bin/sh\n"),
        )?;
        Ok(Self {
            services: [nginx, web, system, machine],
            netns,
        })
    }

    /// Runs a command, and fails unless it has done what it is there for, and nothing else.
    fn does(&self, smcify: &Smcify, command: &str, before: &BTreeSet<String>) -> Result<()> {
        let words: Vec<&str> = command.split(' ').collect();
        let (program, arguments) = words.split_first().context("no command")?;
        let output = Command::new(format!("/bin/{program}"))
            .args(arguments)
            .output()?;
        ensure!(
            output.status.success(),
            "{}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let (default, rule) = self.meant(arguments)?;
        same("default", default.to_owned(), smcify.default()?)?;
        let now = listed()?;
        let new: Vec<&String> = now.difference(before).collect();
        let expected: Vec<&String> = rule.iter().map(|(name, _)| name).collect();
        same("new rules", &expected, &new)?;
        if let Some((name, action)) = &rule {
            let said = read_to_string(Path::new(CONFIG).join(name).join("action"))?;
            same("action", *action, said.trim_end())?;
        }
        Ok(())
    }

    /// What `default` must be after a command, and which rule must have come.
    fn meant(&self, arguments: &[&str]) -> Result<(&'static str, Option<(String, &'static str)>)> {
        let [nginx, web, ..] = &self.services;
        let rule = |name: &str, action| Ok(("tcp", Some((name.to_owned(), action))));
        match arguments {
            ["ss"] | ["check"] | ["audit", "--for", _] | ["off", "--all"] | ["run", ..] => {
                Ok(("tcp", None))
            }
            ["on", "--all"] => Ok(("smc", None)),
            ["on"] => rule(&format!("netns:{}", netns::cookie()?), "smc"),
            ["on", "--netns", "blue"] => {
                rule(&format!("netns:{}", self.netns.run(netns::cookie)?), "smc")
            }
            ["rule", "add", rest @ ..] => match rest {
                ["--cgroup", _] => rule(&format!("cgroup:{}", nginx.id()?), "smc"),
                ["--container", _] => rule(&format!("cgroup:{}", web.id()?), "smc"),
                ["--user", "redis"] => rule(&format!("uid:{REDIS}"), "smc"),
                ["--comm", comm] => rule(&format!("comm:{comm}"), "smc"),
                ["--comm", comm, "--action", "tcp"] => rule(&format!("comm:{comm}"), "tcp"),
                ["--dst", "192.0.2.0/24"] => rule("dst:192.0.2.0:24", "tcp"),
                ["--dev", dev] => rule(&format!("dev:{dev}"), "tcp"),
                ["--dst", "10.0.0.0/8", "--port", port] => {
                    rule(&format!("dst:10.0.0.0:8,port:{port}"), "tcp")
                }
                _ => anyhow::bail!("nobody knows what this must do"),
            },
            _ => anyhow::bail!("nobody knows what this must do"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let gone = umount(NETNS).map_err(anyhow::Error::from);
        if let Err(e) = gone.and_then(|()| Ok(std::fs::remove_file(NETNS)?)) {
            eprintln!("{NETNS} stays: {e:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far to the right a line's text begins, behind the lines of the tree.
    fn depth(line: &str) -> usize {
        let tree = |c: &char| " │├└─".contains(*c);
        line.chars().take_while(tree).count()
    }

    #[test]
    fn every_leaf_is_a_command() {
        let chart = chart();
        for (number, line) in chart.iter().enumerate() {
            // What follows from an answer stands below its first letter.
            let next = chart.get(number + 1).copied().unwrap_or_default();
            let leads_on =
                depth(next) > depth(line) || depth(next) == depth(line) && !next.contains("─ ");
            assert!(leads_on || line.contains(LEAF), "{line}");
        }
    }

    #[test]
    fn each_command_is_smcify() {
        let commands = commands();
        assert!(commands.len() > 15, "{commands:?}");
        for command in commands {
            assert!(command.starts_with("smcify "), "{command}");
        }
    }
}
