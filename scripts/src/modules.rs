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

/// Builds the checkout's modules, the test-only ones too, for `built`; where they are, in
/// the order of the build.
pub fn modules(root: &Root, built: &Built, progress: &Progress) -> Result<Vec<PathBuf>> {
    let step = name(&built.name);
    let dir = make(root, built, progress, &step, &[])?;
    let order = dir.join("modules.order");
    let order = fs::read_to_string(&order)
        .with_context(|| format!("the build left no {}", order.display()))?;
    Ok(objects(&order, &dir))
}

/// Builds the same with clippy, beside them; a warning is an error.
pub fn clippy(root: &Root, built: &Built, progress: &Progress) -> Result<()> {
    let arguments = ["CLIPPY=1", "KRUSTFLAGS=-Dwarnings"];
    make(root, built, progress, &clippy_name(&built.name), &arguments).map(drop)
}

/// `make KDIR=…` in the checkout, in a directory for `step`, which is returned.
fn make(
    root: &Root,
    built: &Built,
    progress: &Progress,
    step: &str,
    arguments: &[&str],
) -> Result<PathBuf> {
    let dir = checkout().join("target").join(step.replace(' ', "/"));
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let lock = dir.with_extension("lock");
    let _lock = Lock::take(&lock, FlockOperation::LockExclusive, progress)?;
    forget_other_config(built, &dir)?;
    let running = progress.step(step);
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut make = root.command("make");
    make.arg("-C").arg(checkout());
    make.arg(format!("KDIR={}", built.dir.display()));
    make.arg(format!("MO={}", dir.display()));
    make.arg(format!("-j{jobs}"));
    make.arg(format!("ARCH={}", built.arch.name()));
    make.args(built.compiler.arguments());
    make.arg("SMCIFY_TESTS=m").args(arguments);
    run::logged(make, &root.cache().log(step), |_| ())?;
    running.done();
    Ok(dir)
}

/// Empties `dir` if it was built with another kernel configuration: kbuild does not see
/// that for modules outside its tree, and the kernel refuses what comes of it.
fn forget_other_config(built: &Built, dir: &Path) -> Result<()> {
    let config = built.dir.join("include/config/auto.conf");
    let config = fs::read(&config).with_context(|| format!("cannot read {}", config.display()))?;
    let built_with = dir.join("kernel.conf");
    if fs::read(&built_with).is_ok_and(|it| it == config) {
        return Ok(());
    }
    let again = || {
        fs::remove_dir_all(dir)?;
        fs::create_dir(dir)?;
        fs::write(&built_with, &config)
    };
    again().with_context(|| format!("cannot empty {}", dir.display()))
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
    fn modules_are_where_the_order_says() {
        let all = objects("smcify.o\nkunit/smcify_kunit.o\n", Path::new("/m"));
        let expected = ["/m/smcify.ko", "/m/kunit/smcify_kunit.ko"];
        assert_eq!(all, expected.map(PathBuf::from));
    }
}
