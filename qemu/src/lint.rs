// SPDX-License-Identifier: GPL-2.0
//! `lab lint`: rustfmt and clippy, without warnings, for user space and the module.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use setup::Kernel;

use crate::args::KernelName;
use crate::ground::Ground;

/// `lab lint`; returns the status to end with.
pub fn lint() -> Result<u8> {
    let kernel = KernelName::Fixed;
    let ground = Ground::prepare(std::slice::from_ref(&kernel), &["lints"])?;
    let built = setup::kernel(&ground.root, &Kernel::Fixed, &ground.progress)?;
    let step = ground.progress.step("lints");
    let checkout = setup::checkout();
    let mut sound = true;
    for words in [
        ["fmt", "--all", "--check"].as_slice(),
        &[
            "clippy",
            "--release",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        sound &= passes("cargo", cargo.args(words).current_dir(checkout))?;
    }
    let mut format = ground.root.command("rustfmt");
    format
        .args(["--check", "--edition", "2021"])
        .args(module_files()?);
    sound &= passes("rustfmt of the module", &mut format)?;
    let output = checkout.join("target/modules/lint");
    std::fs::create_dir_all(&output)
        .with_context(|| format!("cannot make {}", output.display()))?;
    let mut make = ground.root.command("make");
    make.arg("-C")
        .arg(&built.dir)
        .arg(format!("M={}", checkout.display()));
    make.arg(format!("MO={}", output.display()));
    make.args(["LLVM=1", "CLIPPY=1", "SMCIFY_TESTS=m", "modules"]);
    sound &= passes("clippy of the module", &mut make)?;
    step.done();
    Ok(if sound { 0 } else { 1 })
}

/// The module's Rust files: their style is the kernel's.
fn module_files() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs: Vec<PathBuf> = ["src", "kunit"]
        .map(|dir| setup::checkout().join(dir))
        .into();
    while let Some(dir) = dirs.pop() {
        let entries = std::fs::read_dir(&dir);
        for entry in entries.with_context(|| format!("cannot read {}", dir.display()))? {
            let path = entry?.path();
            match path.is_dir() {
                true => dirs.push(path),
                false if path.extension().is_some_and(|it| it == "rs") => files.push(path),
                false => {}
            }
        }
    }
    Ok(files)
}

/// Runs a check; what it has to say is shown when it fails or warns.
fn passes(name: &str, command: &mut Command) -> Result<bool> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let sound = output.status.success() && !said.lines().any(|line| line.starts_with("warning:"));
    if !sound {
        eprintln!("{said}lab: {name} has something to say, see above");
    }
    Ok(sound)
}
