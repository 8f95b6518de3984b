// SPDX-License-Identifier: GPL-2.0
//! Kernels: those that the lab builds, and builds of the user's own.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use sha2::Digest;
use sha2::Sha256;

use crate::cache::GB;
use crate::config;
use crate::debootstrap::remove;
use crate::progress::Progress;
use crate::progress::Step;
use crate::root::Root;
use crate::run;
use crate::source;
use crate::source::Source;
use crate::source::Tree;

/// The room that a build takes.
const ROOM: u64 = 3 * GB;

/// The commands of a first build, about; later ones know from the one before.
const COMMANDS: usize = 2700;

/// A kernel to boot and to build the modules against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Linux 7.2, where the bugs in SMC are fixed; with lockdep.
    Fixed,
    /// Linux 6.16, where they are not.
    Vulnerable,
    /// Linux 7.2 without any debugging: for what is measured, and for what takes long.
    Plain,
    /// Linux 6.16 without any debugging: for what is measured of the ULP that 7.0 removed.
    PlainVulnerable,
    /// The user's own build: the directory given to `make O=`, or a source tree
    /// that was built in place.
    Dir(PathBuf),
}

/// A kernel that is built.
#[derive(Clone, Debug)]
pub struct Built {
    /// A short name, fit for a file.
    pub name: String,
    /// The build directory: `KDIR` of a module build.
    pub dir: PathBuf,
    /// The image that QEMU boots.
    pub image: PathBuf,
    /// What `uname -r` says in it.
    pub release: String,
    /// The source tree.
    pub source: PathBuf,
}

/// A build of the lab's own.
struct Recipe {
    name: &'static str,
    source: Source,
    fragments: &'static [&'static str],
}

const FIXED: Recipe = Recipe {
    name: "fixed",
    source: source::FIXED,
    fragments: &[
        "kernel.config",
        "debug.config",
        "lockdep.config",
        "fixed.config",
    ],
};

const VULNERABLE: Recipe = Recipe {
    name: "vulnerable",
    source: source::VULNERABLE,
    fragments: &["kernel.config", "debug.config", "vulnerable.config"],
};

const PLAIN: Recipe = Recipe {
    name: "plain",
    source: source::FIXED,
    fragments: &["kernel.config", "fixed.config", "plain.config"],
};

const PLAIN_VULNERABLE: Recipe = Recipe {
    name: "plain-vulnerable",
    source: source::VULNERABLE,
    fragments: &["kernel.config", "vulnerable.config", "plain.config"],
};

impl Kernel {
    /// The names of the steps that [`kernel`] may take.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.recipe()
            .map(|recipe| vec![recipe.source.step(), recipe.step()])
            .unwrap_or_default()
    }

    /// A short name, fit for a file.
    pub(crate) fn name(&self) -> String {
        match self {
            Kernel::Dir(dir) => {
                let dir = dir.canonicalize().unwrap_or(dir.clone());
                format!("dir-{}", &hash(&dir.to_string_lossy())[..8])
            }
            Kernel::Fixed => FIXED.name.to_string(),
            Kernel::Vulnerable => VULNERABLE.name.to_string(),
            Kernel::Plain => PLAIN.name.to_string(),
            Kernel::PlainVulnerable => PLAIN_VULNERABLE.name.to_string(),
        }
    }

    /// What configures it, by name and text; nothing for a build of the user's own.
    pub fn fragments(&self) -> Result<Vec<(&'static str, String)>> {
        let names = self.recipe().map(|recipe| recipe.fragments);
        let names = names.unwrap_or_default().iter();
        names.map(|name| Ok((*name, config::read(name)?))).collect()
    }

    fn recipe(&self) -> Option<Recipe> {
        match self {
            Kernel::Fixed => Some(FIXED),
            Kernel::Vulnerable => Some(VULNERABLE),
            Kernel::Plain => Some(PLAIN),
            Kernel::PlainVulnerable => Some(PLAIN_VULNERABLE),
            Kernel::Dir(_) => None,
        }
    }
}

/// Finds `kernel`; one of the lab's own is fetched, configured and built if its
/// inputs (source, fragments, toolchain) are not those of the last build.
/// `$SMCIFY_LINUX_7_2` and `$SMCIFY_LINUX_6_16` may name a source tarball or tree
/// to build instead of the pinned one.
pub fn kernel(root: &Root, kernel: &Kernel, progress: &Progress) -> Result<Built> {
    if let Some(recipe) = kernel.recipe() {
        let dir = recipe.ensure(root, progress)?;
        return built(recipe.name.to_string(), &dir);
    }
    let Kernel::Dir(dir) = kernel else {
        bail!("no such kernel")
    };
    let dir = dir
        .canonicalize()
        .with_context(|| format!("no kernel in {}", dir.display()))?;
    let built = built(kernel.name(), &dir)?;
    root.bind(&built.dir)?;
    root.bind(&built.source)?;
    let config = fs::read_to_string(dir.join("include/config/auto.conf")).unwrap_or_default();
    if let Some(compiler) = config::text(&config, "CONFIG_RUSTC_VERSION_TEXT") {
        same_compiler(compiler, &root.rustc()?)
            .with_context(|| format!("{} does not serve", dir.display()))?;
    }
    Ok(built)
}

/// What the build directory `dir` holds.
fn built(name: String, dir: &Path) -> Result<Built> {
    let missing = |what: &str| {
        format!(
            "{} is no finished kernel build: no {what}; build it with make O=… LLVM=1 bzImage modules",
            dir.display()
        )
    };
    let image = dir.join("arch/x86/boot/bzImage");
    let image = image
        .canonicalize()
        .with_context(|| missing("arch/x86/boot/bzImage"))?;
    let release = fs::read_to_string(dir.join("include/config/kernel.release"));
    let release = release
        .with_context(|| missing("include/config/kernel.release"))?
        .trim()
        .to_string();
    // `make O=` leaves a link to the source; a build in place needs none.
    let source = dir
        .join("source")
        .canonicalize()
        .unwrap_or(dir.to_path_buf());
    Ok(Built {
        name,
        dir: dir.to_path_buf(),
        image,
        release,
        source,
    })
}

/// Rust's modules must be built by the compiler that built the kernel.
fn same_compiler(kernel: &str, root: &str) -> Result<()> {
    // Distributions append where they built it.
    let version = |text: &str| {
        text.split(" (built")
            .next()
            .unwrap_or(text)
            .trim()
            .to_string()
    };
    if version(kernel) != version(root) {
        bail!(
            "it was built by {kernel}, the toolchain root has {root}: build the kernel with that one"
        );
    }
    Ok(())
}

impl Recipe {
    fn step(&self) -> String {
        format!("kernel {}", self.name)
    }

    /// The build directory, up to date.
    fn ensure(&self, root: &Root, progress: &Progress) -> Result<PathBuf> {
        let tree = self.source.ensure(root, progress)?;
        let fragment = config::fragment(self.fragments)?;
        let dir = root.cache().dir().join("build").join(self.name);
        let stamp = dir.with_file_name(format!("{}.stamp", self.name));
        let identity = identity(&tree, &fragment, &root.toolchain()?);
        // A tree of the user's own may have changed: make finds out.
        let current =
            || tree.identity.is_some() && fs::read_to_string(&stamp).is_ok_and(|it| it == identity);
        if !current() {
            let _lock = root
                .cache()
                .lock(&format!("kernel-{}", self.name), progress)?;
            if !current() {
                let step = progress.step(&self.step());
                self.build(root, &tree, &dir, &fragment, &step)?;
                fs::write(&stamp, &identity)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
                step.done();
            }
        }
        Ok(dir)
    }

    /// Configures and builds in `dir`, going on where an earlier build ended.
    fn build(
        &self,
        root: &Root,
        tree: &Tree,
        dir: &Path,
        fragment: &str,
        step: &Step,
    ) -> Result<()> {
        if dir
            .join("source")
            .canonicalize()
            .is_ok_and(|source| source != tree.dir)
        {
            remove(dir)?;
        }
        let begun = dir.join("vmlinux.o").exists();
        root.cache()
            .need(&self.step(), if begun { GB / 2 } else { ROOM })?;
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        step.note("configuring");
        configure(root, tree, dir, fragment)?;
        let count = dir.with_file_name(format!("{}.commands", self.name));
        let total = fs::read_to_string(&count)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let commands = compile(
            root,
            tree,
            dir,
            &root.cache().log(&self.step()),
            total.unwrap_or(COMMANDS),
            step,
        )?;
        // A build that had little left to do is no measure for a whole one.
        if !begun {
            fs::write(&count, commands.to_string())
                .with_context(|| format!("cannot write {}", count.display()))?;
        }
        Ok(())
    }
}

/// Makes `.config` in `dir` and checks it.
fn configure(root: &Root, tree: &Tree, dir: &Path, fragment: &str) -> Result<()> {
    let file = dir.join("fragment");
    fs::write(&file, fragment).with_context(|| format!("cannot write {}", file.display()))?;
    let mut make = make(root, tree, dir);
    make.arg("-s")
        .arg(format!("KCONFIG_ALLCONFIG={}", file.display()))
        .arg("allnoconfig");
    run::output(make)?;
    let path = dir.join(".config");
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
fn compile(
    root: &Root,
    tree: &Tree,
    dir: &Path,
    log: &Path,
    total: usize,
    step: &Step,
) -> Result<usize> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut make = make(root, tree, dir);
    make.arg(format!("-j{jobs}")).args(["bzImage", "modules"]);
    let mut commands = 0;
    run::logged(make, log, |line| {
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

fn make(root: &Root, tree: &Tree, dir: &Path) -> Command {
    let mut make = root.command("make");
    make.arg("-C")
        .arg(&tree.dir)
        .arg(format!("O={}", dir.display()))
        .args(["LLVM=1", "ARCH=x86_64"]);
    make
}

/// What a build is made from, a line for each input; two builds of the same
/// text are the same.
fn identity(tree: &Tree, fragment: &str, toolchain: &str) -> String {
    let source = tree.identity.as_deref().unwrap_or("the user's own");
    format!("source {source}\nfragment {}\n{toolchain}", hash(fragment))
}

/// The SHA-256 of `text`, in hexadecimal.
fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
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

    #[test]
    fn another_compiler_is_refused() {
        let debian = "rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)";
        assert!(same_compiler(debian, "rustc 1.85.0 (4d91de4e4 2025-02-17)\n").is_ok());
        let error =
            same_compiler("rustc 1.95.0 (f2d3ce0bd 2026-03-21)", debian).expect_err("they differ");
        assert!(
            error.to_string().contains("built by rustc 1.95.0"),
            "{error}"
        );
    }

    #[test]
    fn hash_is_sha256() {
        assert_eq!(hash("")[..16], *"e3b0c44298fc1c14");
    }

    #[test]
    fn a_directory_that_is_no_build_is_refused_in_one_line() {
        let error = built("x".into(), Path::new("/proc")).expect_err("no kernel there");
        let said = format!("{error:#}");
        assert!(
            said.contains("no arch/x86/boot/bzImage") && !said.contains('\n'),
            "{said}"
        );
    }
}
