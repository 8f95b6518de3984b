// SPDX-License-Identifier: GPL-2.0
//! Kernels: those that the lab builds, and builds of the user's own.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use sha2::Digest;
use sha2::Sha256;

use crate::config;
use crate::progress::Progress;
use crate::recipes;
use crate::recipes::Arch;
use crate::recipes::Compiler;
use crate::recipes::Recipe;
use crate::root::Root;

/// A build's configuration, below its directory.
const CONFIG: &str = "include/config/auto.conf";

/// A kernel to boot and to build the modules against.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// One of the lab's own.
    Lab(&'static Recipe),
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
    pub arch: Arch,
    pub compiler: Compiler,
    /// What the compiler calls itself.
    pub compiler_text: String,
}

impl Kernel {
    /// Linux 7.3, where the bugs in SMC are fixed; with lockdep.
    pub const FIXED: Kernel = Kernel::Lab(&recipes::FIXED);
    /// Linux 6.16, where they are not.
    pub const VULNERABLE: Kernel = Kernel::Lab(&recipes::VULNERABLE);
    /// Linux 7.3 without any debugging: for what is measured, and for what takes long.
    pub const PLAIN: Kernel = Kernel::Lab(&recipes::PLAIN);
    /// Linux 6.16 without any debugging: for what is measured of the ULP that 7.0 removed.
    pub const PLAIN_VULNERABLE: Kernel = Kernel::Lab(&recipes::PLAIN_VULNERABLE);

    /// The rows of `lab matrix`.
    pub fn matrix() -> impl Iterator<Item = &'static Recipe> {
        recipes::MATRIX.into_iter()
    }

    /// The roots that it needs beside the one of this machine's architecture.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &'static crate::recipe::Recipe> {
        let arch = self.arch();
        let all = [arch.toolchain(), arch.cross(), arch.tools()];
        all.into_iter().flatten()
    }

    /// What it is for; where there is nothing that says so, this machine.
    pub fn arch(&self) -> Arch {
        match self {
            Kernel::Lab(recipe) => recipe.arch,
            Kernel::Dir(dir) => {
                let config = fs::read_to_string(dir.join(CONFIG));
                Arch::of(&config.unwrap_or_default())
            }
        }
    }

    /// The names of the steps that [`kernel`] may take.
    pub(crate) fn steps(&self) -> Vec<String> {
        match self {
            Kernel::Lab(recipe) => recipe.steps(),
            Kernel::Dir(_) => Vec::new(),
        }
    }

    /// A short name, fit for a file.
    pub(crate) fn name(&self) -> String {
        match self {
            Kernel::Lab(recipe) => recipe.name.to_string(),
            Kernel::Dir(dir) => {
                let dir = dir.canonicalize().unwrap_or(dir.clone());
                format!("dir-{}", &hash(&dir.to_string_lossy())[..8])
            }
        }
    }

    /// What configures it, by name and text; nothing for a build of the user's own.
    pub fn fragments(&self) -> Result<Vec<(&'static str, String)>> {
        let names = match self {
            Kernel::Lab(recipe) => recipe.fragments,
            Kernel::Dir(_) => &[],
        };
        let read = |name: &&'static str| Ok((*name, config::read(name)?));
        names.iter().map(read).collect()
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Kernel) -> bool {
        match (self, other) {
            (Kernel::Lab(one), Kernel::Lab(other)) => one.name == other.name,
            (Kernel::Dir(one), Kernel::Dir(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Kernel {}

impl FromStr for Kernel {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Kernel, Infallible> {
        let mut all = recipes::ALL.into_iter();
        Ok(match all.find(|recipe| recipe.name == text) {
            Some(recipe) => Kernel::Lab(recipe),
            None => Kernel::Dir(text.into()),
        })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kernel::Lab(recipe) => f.pad(recipe.name),
            Kernel::Dir(dir) => write!(f, "{}", dir.display()),
        }
    }
}

/// Finds `kernel`; one of the lab's own is fetched, configured and built if its
/// inputs (source, fragments, toolchain) are not those of the last build.
/// `$SMCIFY_LINUX_7_3`, `$SMCIFY_LINUX_6_16` and so on may name a source tarball or tree to build
/// instead of the pinned one.
pub fn kernel(root: &Root, kernel: &Kernel, progress: &Progress) -> Result<Built> {
    let dir = match kernel {
        Kernel::Lab(recipe) => return built(kernel.name(), &recipe.ensure(root, progress)?),
        Kernel::Dir(dir) => dir,
    };
    let dir = dir
        .canonicalize()
        .with_context(|| format!("no kernel in {}", dir.display()))?;
    let built = built(kernel.name(), &dir)?;
    root.bind(&built.dir)?;
    root.bind(&built.source)?;
    let config = fs::read_to_string(dir.join(CONFIG)).unwrap_or_default();
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
            "{} is no finished kernel build: no {what}; build it with make O=… bzImage modules",
            dir.display()
        )
    };
    let config = fs::read_to_string(dir.join(CONFIG));
    let config = config.with_context(|| missing(CONFIG))?;
    let (arch, compiler) = (Arch::of(&config), Compiler::of(&config));
    let compiler_text = config::text(&config, "CONFIG_CC_VERSION_TEXT");
    let compiler_text = compiler_text.unwrap_or_default().to_string();
    let image = dir.join(arch.image());
    let image = image
        .canonicalize()
        .with_context(|| missing(arch.image()))?;
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
        arch,
        compiler,
        compiler_text,
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

/// The SHA-256 of `text`, in hexadecimal.
pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            said.contains("no include/config/auto.conf") && !said.contains('\n'),
            "{said}"
        );
    }
}
