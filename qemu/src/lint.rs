// SPDX-License-Identifier: GPL-2.0
//! `lab lint`: the order of the rooms, rustfmt and clippy without warnings, for user space and
//! the module.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use setup::Cache;
use setup::Kernel;
use setup::Progress;
use setup::Root;

use crate::rooms;
use crate::rooms::ROOMS;

const FORMAT: &str = "rustfmt";
const CLIPPY: &str = "clippy user space";

/// `lab lint`; returns the status to end with.
pub fn lint() -> Result<u8> {
    let kernels = [Kernel::FIXED, Kernel::VULNERABLE];
    let mut steps = setup::steps(&kernels);
    steps.extend([FORMAT, CLIPPY].map(str::to_string));
    steps.extend(kernels.iter().map(setup::clippy_step));
    let progress = Progress::new(steps);
    let root = Root::ensure(&Cache::open()?, &progress)?;
    let mut sound = in_order()?;

    let step = progress.step(FORMAT);
    sound &= passes(&mut cargo(&["fmt", "--all", "--check"]))?;
    let mut format = root.command("rustfmt");
    format.args(["--check", "--edition", "2021"]);
    sound &= passes(format.args(module_files()?))?;
    step.done();

    let step = progress.step(CLIPPY);
    let all = ["clippy", "--release", "--workspace", "--all-targets"];
    sound &= passes(cargo(&all).args(["--", "-D", "warnings"]))?;
    step.done();

    for kernel in &kernels {
        let built = setup::kernel(&root, kernel, &progress)?;
        setup::clippy(&root, &built, &progress)?;
    }
    Ok(if sound { 0 } else { 1 })
}

/// The cargo that runs this program, in the checkout.
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(arguments).current_dir(setup::checkout());
    cargo
}

/// The module's Rust files: their style is the kernel's.
fn module_files() -> Result<Vec<PathBuf>> {
    let dirs = ["src", "kunit"].map(|dir| rooms::rust_files(&setup::checkout().join(dir)));
    Ok(dirs.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// Whether each room uses those below it only; says where one does not.
fn in_order() -> Result<bool> {
    let mut sound = true;
    for (dir, rooms) in ROOMS {
        for line in rooms::wrong(&setup::checkout().join(dir), rooms)? {
            eprintln!("{line}");
            sound = false;
        }
    }
    Ok(sound)
}

/// Runs a check; what it has to say is shown when it fails.
fn passes(command: &mut Command) -> Result<bool> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    Ok(status.success())
}
