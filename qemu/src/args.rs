// SPDX-License-Identifier: GPL-2.0
//! The command line of `cargo lab`.

use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use setup::Kernel;

const STATUS: &str = "\
Exit status of `lab run`:
  CMD's own (128 + the signal's number when one killed it), or
  70  the kernel printed a report: KASAN, lockdep, RCU, WARNING, BUG, kmemleak, …
  71  the guest died, or QEMU ended, before CMD did
  72  the guest was still running when --timeout was over
  73  the lab could not start it: set-up, image or QEMU";

/// What a kernel is asked for by.
const KERNEL: &str = "fixed|vulnerable|plain|distro|…|DIR";

/// Boots smcify in QEMU guests, watches their kernel log, reports.
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "cargo lab", version, after_help = STATUS)]
pub struct Lab {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run CMD in a guest with smcify loaded; ends with CMD's exit status.
    Run(Run),
    /// Open an interactive shell in a guest with smcify loaded.
    Shell(Shell),
    /// Run the host's tests and all scenarios; ends with `N passed, N failed`.
    Check(Check),
    /// Look for devices that are used without RCU or a reference in a kernel's source.
    Cocci(Cocci),
    /// Show what smcify does to unmodified programs: a table, before and after.
    Demo,
    /// Provoke the bugs of the vulnerable kernel, without and with smcify; writes proof/index.html.
    Proof,
    /// Run real programs with TCP and under smcify, and compare with docs/compatibility.md.
    Interop(Interop),
    /// Build and boot smcify on the kernels that people have; writes the table in README.md.
    Matrix(Matrix),
    /// Measure what smcify costs, beside what else there is; writes bench/index.html.
    Bench(Bench),
    /// Run the scenarios under virtme-ng.
    Vng(Check),
    /// Check format and lints of everything in Rust, in user space and kernel.
    Lint,
    /// Fetch and build everything the lab needs, and stop there.
    Setup(Setup),
}

/// What is common to all guests.
#[derive(Args, Clone, Debug)]
pub struct Machine {
    /// `fixed` (7.3.4), `vulnerable` (6.16.12), `plain`, `plain-vulnerable` (the same without debugging), `distro` (7.3.4 as Debian configures it), another of `lab matrix`, or the build directory of a Rust-enabled kernel.
    #[arg(long, default_value = "fixed", value_name = KERNEL)]
    pub kernel: Kernel,
    /// Leave loading smcify.ko to CMD; it lies in /modules.
    #[arg(long)]
    pub no_module: bool,
    /// Do not add a user EID: SMC then finds no device on x86 and falls back to TCP.
    #[arg(long)]
    pub no_ueid: bool,
    /// Copy FILE to /files; a dynamic program's libraries come along.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// Attach the image of real programs as /dev/vda.
    #[arg(long)]
    pub programs: bool,
    /// Memory of a guest, in MiB.
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    pub memory: u32,
    /// Processors of a guest.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub cpus: u32,
    /// Let the guest's clock count instructions, one nanosecond each, on one processor.
    #[arg(long, conflicts_with = "cpus")]
    pub count: bool,
}

#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    pub machine: Machine,
    /// Boot two guests with a network between them, CMD runs in both: LAB_NODE is 0 or 1.
    #[arg(long, default_value_t = 1, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub guests: u8,
    /// Add a soft-RoCE device to each of two guests.
    #[arg(long)]
    pub rxe: bool,
    /// Seconds after which the guests are stopped; their kernel log then ends with the stack of each processor.
    #[arg(long, default_value_t = 600, value_name = "SECS")]
    pub timeout: u64,
    /// Give CMD the terminal.
    #[arg(long, conflicts_with_all = ["guests", "timeout"])]
    pub interactive: bool,
    /// A FILE of --with, a program of the guest, or one of Debian (iperf3, bpftool, ip, sh, …).
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Shell {
    #[command(flatten)]
    pub machine: Machine,
}

#[derive(Args, Debug)]
pub struct Check {
    /// Only these scenarios; `cargo lab run -- guest list` names them.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Only on this kernel.
    #[arg(long, value_name = KERNEL)]
    pub kernel: Option<Kernel>,
}

#[derive(Args, Debug)]
pub struct Interop {
    /// Only these scenarios; nothing is compared unless both of the page's are among them.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Write docs/compatibility.md anew.
    #[arg(long)]
    pub write: bool,
}

#[derive(Args, Debug)]
pub struct Matrix {
    /// Only these rows.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Cocci {
    /// A kernel's source tree or build directory.
    #[arg(value_name = "KDIR")]
    pub kdir: PathBuf,
    /// Where to look, from the top of the source tree.
    #[arg(default_value = "net/smc", value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Bench {
    /// The build directory of a Rust-enabled kernel; without it, the lab's two without debugging.
    #[arg(value_name = "KDIR")]
    pub kdir: Option<PathBuf>,
    /// Only these parts: sockets, others, depth, connections, handshake, life, rules-KIND.
    #[arg(long, value_name = "PART")]
    pub only: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Setup {
    /// Only this kernel; without it, the two of the check.
    #[arg(long, value_name = KERNEL)]
    pub kernel: Option<Kernel>,
}

/// The kernels that are asked for: without a word the two of the check.
pub fn asked(kernel: &Option<Kernel>) -> Vec<Kernel> {
    match kernel {
        Some(kernel) => vec![kernel.clone()],
        None => vec![Kernel::FIXED, Kernel::VULNERABLE],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Lab::command().debug_assert();
    }

    #[test]
    fn what_follows_the_dashes_belongs_to_the_command() {
        let words = ["lab", "run", "--guests", "2", "--", "ip", "--json", "link"];
        let Command::Run(run) = Lab::parse_from(words).command else {
            panic!("`run` was asked for");
        };
        assert_eq!((run.guests, run.command.len()), (2, 3));
        assert_eq!(run.machine.kernel, Kernel::FIXED);
    }
}
