// SPDX-License-Identifier: GPL-2.0
//! The checkout's modules, built for one kernel in a directory of their own, so
//! that builds for several kernels stand side by side.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use rustix::fs::FlockOperation;

use crate::cache::Lock;
use crate::checkout;
use crate::kernel::Built;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::root::Root;
use crate::run;

/// Modules that are built.
#[derive(Clone, Debug)]
pub struct Modules {
    /// Where they were built.
    pub dir: PathBuf,
    /// All of them, in the order of the build.
    pub all: Vec<PathBuf>,
}

impl Modules {
    /// The module `name` (without `.ko`).
    pub fn get(&self, name: &str) -> Result<&Path> {
        let named = |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem == name);
        let found = self.all.iter().find(named);
        found
            .map(PathBuf::as_path)
            .with_context(|| format!("no {name}.ko among the modules in {}", self.dir.display()))
    }
}

/// The step's name.
pub(crate) fn step(kernel: &Kernel) -> String {
    name(&kernel.name())
}

fn name(kernel: &str) -> String {
    format!("modules {kernel}")
}

/// The name of the step that runs clippy for `kernel`.
pub fn clippy_step(kernel: &Kernel) -> String {
    clippy_name(&kernel.name())
}

fn clippy_name(kernel: &str) -> String {
    format!("clippy {kernel}")
}

/// Builds the checkout's modules, the test-only ones too, for `built`.
pub fn modules(root: &Root, built: &Built, progress: &Progress) -> Result<Modules> {
    let step = name(&built.name);
    let dir = make(root, built, progress, &step, &[])?;
    let order = dir.join("modules.order");
    let order = fs::read_to_string(&order)
        .with_context(|| format!("the build left no {}", order.display()))?;
    Ok(Modules {
        all: objects(&order, &dir),
        dir,
    })
}

/// Builds the same with clippy, beside them; a warning is an error.
pub fn clippy(root: &Root, built: &Built, progress: &Progress) -> Result<()> {
    let arguments = ["CLIPPY=1", "KRUSTFLAGS=-Dwarnings"];
    make(root, built, progress, &clippy_name(&built.name), &arguments).map(drop)
}

/// `make KDIR=… LLVM=1` in the checkout, in a directory for `step`, which is returned.
fn make(
    root: &Root,
    built: &Built,
    progress: &Progress,
    step: &str,
    arguments: &[&str],
) -> Result<PathBuf> {
    let target = checkout().join("target");
    let dir = target.join(step.replace(' ', "/"));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let _lock = Lock::take(
        &dir.with_extension("lock"),
        FlockOperation::LockExclusive,
        progress,
    )?;
    let running = progress.step(step);
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut make = root.command("make");
    make.arg("-C").arg(checkout());
    make.arg(format!("KDIR={}", built.dir.display()));
    make.arg(format!("MO={}", dir.display()));
    make.arg(format!("-j{jobs}"));
    make.args(["LLVM=1", "SMCIFY_TESTS=m"]).args(arguments);
    run::logged(make, &root.cache().log(step), |_| ())?;
    running.done();
    Ok(dir)
}

/// The modules that `modules.order` names.
fn objects(order: &str, dir: &Path) -> Vec<PathBuf> {
    order
        .lines()
        .map(|line| dir.join(line).with_extension("ko"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name() {
        let all = objects("smcify.o\nkunit/smcify_kunit.o\n", Path::new("/m"));
        let modules = Modules {
            dir: "/m".into(),
            all,
        };
        assert_eq!(modules.get("smcify").ok(), Some(Path::new("/m/smcify.ko")));
        assert_eq!(
            modules.get("smcify_kunit").ok(),
            Some(Path::new("/m/kunit/smcify_kunit.ko"))
        );
        assert!(modules.get("kunit").is_err());
    }
}
