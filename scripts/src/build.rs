// SPDX-License-Identifier: GPL-2.0
//! Building the lab's kernels: configured from fragments, built again when an input changes.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cache::GB;
use crate::config;
use crate::debootstrap::remove;
use crate::kernel::hash;
use crate::progress::Progress;
use crate::progress::Step;
use crate::recipes::Base;
use crate::recipes::Recipe;
use crate::root::Root;
use crate::run;
use crate::source::Tree;

/// The room that a build takes.
const ROOM: u64 = 3 * GB;

/// The commands of a first build, about; later ones know from the one before.
const COMMANDS: usize = 2500;

/// One build under way.
struct Build<'a> {
    recipe: &'a Recipe,
    root: &'a Root,
    tree: &'a Tree,
    dir: &'a Path,
}

impl Recipe {
    pub(crate) fn step(&self) -> String {
        format!("kernel {}", self.name)
    }

    /// The names of all steps that it may take, in order.
    pub(crate) fn steps(&self) -> Vec<String> {
        let mut steps = vec![self.source.step(), self.step()];
        if let Base::Debian(_) = self.base {
            steps.insert(1, self.source.configs_step());
        }
        steps
    }

    /// The build directory, up to date.
    pub(crate) fn ensure(&self, root: &Root, progress: &Progress) -> Result<PathBuf> {
        let tree = self.source.ensure(root, progress)?;
        let base = match self.base {
            Base::Nothing => String::new(),
            Base::Debian(name) => {
                config::without_modules(&self.source.config(name, root, progress)?)
            }
        };
        let fragment = config::fragment(self.fragments)?;
        let dir = root.cache().dir().join("build").join(self.name);
        let stamp = dir.with_file_name(format!("{}.stamp", self.name));
        let identity = identity(&tree, &format!("{base}{fragment}"), &root.versions()?);
        // A tree of the user's own may have changed: make finds out.
        let current =
            || tree.identity.is_some() && fs::read_to_string(&stamp).is_ok_and(|it| it == identity);
        if !current() {
            let _lock = root
                .cache()
                .lock(&format!("kernel-{}", self.name), progress)?;
            if !current() {
                let step = progress.step(&self.step());
                let build = Build {
                    recipe: self,
                    root,
                    tree: &tree,
                    dir: &dir,
                };
                build.run(&base, &fragment, &step)?;
                fs::write(&stamp, &identity)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
                step.done();
            }
        }
        Ok(dir)
    }
}

impl Build<'_> {
    /// Configures and builds, going on where an earlier build ended.
    fn run(&self, base: &str, fragment: &str, step: &Step) -> Result<()> {
        let dir = self.dir;
        if dir
            .join("source")
            .canonicalize()
            .is_ok_and(|source| source != self.tree.dir)
        {
            remove(dir)?;
        }
        let begun = dir.join("vmlinux.o").exists();
        self.root
            .cache()
            .need(&self.recipe.step(), if begun { GB / 2 } else { ROOM })?;
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        step.note("configuring");
        self.configure(base, fragment)?;
        let count = dir.with_file_name(format!("{}.commands", self.recipe.name));
        let total = fs::read_to_string(&count)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let commands = self.compile(total.unwrap_or(COMMANDS), step)?;
        // A build that had little left to do is no measure for a whole one.
        if !begun {
            fs::write(&count, commands.to_string())
                .with_context(|| format!("cannot write {}", count.display()))?;
        }
        Ok(())
    }

    /// Makes `.config` and checks it.
    fn configure(&self, base: &str, fragment: &str) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = self.dir.join(name);
            let written = fs::write(&path, text);
            written.with_context(|| format!("cannot write {}", path.display()))?;
            Ok::<_, anyhow::Error>(path)
        };
        let mut make = self.make();
        make.arg("-s");
        match self.recipe.base {
            Base::Nothing => {
                let file = write("fragment", fragment)?;
                make.arg(format!("KCONFIG_ALLCONFIG={}", file.display()));
                make.arg("allnoconfig");
            }
            Base::Debian(_) => {
                write(".config", &format!("{base}{fragment}"))?;
                make.arg("olddefconfig");
            }
        }
        run::output(make)?;
        let path = self.dir.join(".config");
        let config =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let unmet = config::unmet(fragment, &config);
        if !unmet.is_empty() {
            bail!(
                "the kernel's configuration does not come out as qemu/configs ask: {}",
                unmet.join("; ")
            );
        }
        Ok(())
    }

    /// Builds image and modules; returns how many commands that took.
    fn compile(&self, total: usize, step: &Step) -> Result<usize> {
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let image = self.recipe.arch.image();
        let mut make = self.make();
        make.arg(format!("-j{jobs}"));
        make.args([image.rsplit('/').next().unwrap_or(image), "modules"]);
        let log = self.root.cache().log(&self.recipe.step());
        let mut commands = 0;
        run::logged(make, &log, |line| {
            if line.starts_with("  ") {
                commands += 1;
                step.note(&format!(
                    "{commands} of about {} objects",
                    total.max(commands)
                ));
            }
        })?;
        Ok(commands)
    }

    fn make(&self) -> Command {
        let mut make = self.root.command("make");
        make.arg("-C")
            .arg(&self.tree.dir)
            .arg(format!("O={}", self.dir.display()))
            .arg(format!("ARCH={}", self.recipe.arch.name()))
            .args(self.recipe.compiler.arguments());
        make
    }
}

/// What a build is made from, a line for each input; two builds of the same
/// text are the same.
fn identity(tree: &Tree, configuration: &str, toolchain: &str) -> String {
    let source = tree.identity.as_deref().unwrap_or("the user's own");
    format!(
        "source {source}\nfragment {}\n{toolchain}",
        hash(configuration)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(identity: &str) -> Tree {
        Tree {
            dir: "/src".into(),
            identity: Some(identity.into()),
        }
    }

    #[test]
    fn identity_changes_with_each_input() {
        let one = identity(&tree("a"), "CONFIG_A=y\n", "clang 19\n");
        assert_eq!(one, identity(&tree("a"), "CONFIG_A=y\n", "clang 19\n"));
        assert_ne!(one, identity(&tree("b"), "CONFIG_A=y\n", "clang 19\n"));
        assert_ne!(one, identity(&tree("a"), "CONFIG_A=n\n", "clang 19\n"));
        assert_ne!(one, identity(&tree("a"), "CONFIG_A=y\n", "clang 20\n"));
    }
}
