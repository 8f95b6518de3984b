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

/// Builds the checkout's modules for `built`, as `make KDIR=… LLVM=1` does.
pub fn modules(root: &Root, built: &Built, progress: &Progress) -> Result<Modules> {
    let target = checkout().join("target/modules");
    let dir = target.join(&built.name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let lock = target.join(format!("{}.lock", built.name));
    let _lock = Lock::take(&lock, FlockOperation::LockExclusive, progress)?;
    let name = name(&built.name);
    let step = progress.step(&name);
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut make = root.command("make");
    make.arg("-C")
        .arg(&built.dir)
        .arg(format!("M={}", checkout().display()));
    make.arg(format!("MO={}", dir.display()))
        .arg(format!("-j{jobs}"))
        .args(["LLVM=1", "modules"]);
    run::logged(make, &root.cache().log(&name), |_| ())?;
    let order = dir.join("modules.order");
    let order = fs::read_to_string(&order)
        .with_context(|| format!("the build left no {}", order.display()))?;
    step.done();
    Ok(Modules {
        all: objects(&order, &dir),
        dir,
    })
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
