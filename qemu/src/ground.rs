// SPDX-License-Identifier: GPL-2.0
//! What a guest is made from: the root, a kernel, our modules, the guest's programs.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use guest::PROGRAMS;
use setup::Arch;
use setup::Built;
use setup::Cache;
use setup::Progress;
use setup::Root;

use crate::qemu::Accel;
use setup::Kernel;

/// Directories of runs that are kept.
const KEPT: usize = 30;

/// All that does not depend on the kernel.
pub struct Ground {
    pub root: Root,
    pub progress: Progress,
    /// Where the guest's static programs are on the host.
    pub programs: PathBuf,
}

/// A kernel with our modules for it, and what its guests are made from and run by, where that
/// is not the ground's.
pub struct Bench {
    pub built: Built,
    pub modules: Vec<PathBuf>,
    pub accel: Accel,
    cross: Option<Root>,
    tools: Option<Root>,
    programs: Option<PathBuf>,
}

impl Bench {
    /// What QEMU runs in.
    pub fn root<'a>(&'a self, ground: &'a Ground) -> &'a Root {
        self.cross.as_ref().unwrap_or(&ground.root)
    }

    /// Where Debian's programs for the guest are.
    pub fn tools<'a>(&'a self, ground: &'a Ground) -> &'a Root {
        self.tools.as_ref().unwrap_or(&ground.root)
    }

    /// Where our own are.
    pub fn programs<'a>(&'a self, ground: &'a Ground) -> &'a Path {
        self.programs.as_ref().unwrap_or(&ground.programs)
    }

    /// Whether `line` is in the kernel's configuration.
    pub fn has(&self, line: &str) -> bool {
        let config = fs::read_to_string(self.built.dir.join(".config"));
        config.is_ok_and(|config| config.lines().any(|it| it == line))
    }
}

impl Ground {
    /// Makes what is missing; `kernels` will be asked for, then come `steps`.
    pub fn prepare(kernels: &[Kernel], steps: &[&str]) -> Result<Ground> {
        let mut all = setup::steps(kernels);
        all.extend(steps.iter().map(|step| step.to_string()));
        let progress = Progress::new(all);
        let root = Root::ensure(&Cache::open()?, &progress)?;
        let programs = build_guest(Arch::X86)?;
        Ok(Ground {
            root,
            progress,
            programs,
        })
    }

    /// The kernel and the modules.
    pub fn bench(&self, kernel: &Kernel) -> Result<Bench> {
        let (cache, progress, arch) = (self.root.cache(), &self.progress, kernel.arch());
        let toolchain = Root::toolchain(arch, cache, progress)?;
        let toolchain = toolchain.as_ref().unwrap_or(&self.root);
        let cross = Root::cross(arch, cache, progress)?;
        let tools = Root::tools(arch, cache, progress)?;
        let built = setup::kernel(toolchain, kernel, progress)?;
        let modules = setup::modules(toolchain, &built, progress)?;
        let programs = match &cross {
            Some(cross) => Some(cross_build_guest(cross, arch)?),
            None => None,
        };
        let accel = match arch {
            Arch::X86 => {
                let probe = runs().join(format!("probe-{}", std::process::id()));
                Accel::choose(&self.root, &built.image, &probe)?
            }
            _ => Accel::Tcg,
        };
        Ok(Bench {
            built,
            modules,
            accel,
            cross,
            tools,
            programs,
        })
    }

    /// The image of real programs, made if it is not there.
    pub fn real_programs(&self) -> Result<PathBuf> {
        setup::programs(self.root.cache(), &self.progress)
    }

    /// Copies of modules for `bench` without debug information.
    pub fn stripped(&self, bench: &Bench, modules: &[PathBuf]) -> Result<Vec<PathBuf>> {
        strip(
            &self.root,
            modules,
            &setup::checkout()
                .join("target/stripped")
                .join(&bench.built.name),
        )
    }
}

/// Copies `modules` to `dir` without their debug information, which is most of
/// their size; returns the copies' paths. A copy that is newer is kept.
fn strip(root: &Root, modules: &[PathBuf], dir: &Path) -> Result<Vec<PathBuf>> {
    // Guests that start side by side have the same modules.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let modified = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let mut copies = Vec::new();
    for module in modules {
        let copy = dir.join(module.file_name().unwrap_or_default());
        if modified(&copy) < modified(module) {
            let partial = copy.with_extension("partial");
            let mut strip = root.command("llvm-strip");
            let done = strip
                .arg("--strip-debug")
                .arg("-o")
                .arg(&partial)
                .arg(module)
                .status();
            if !done.context("cannot run llvm-strip")?.success() {
                bail!("llvm-strip cannot strip {}", module.display());
            }
            fs::rename(&partial, &copy)
                .with_context(|| format!("cannot make {}", copy.display()))?;
        }
        copies.push(copy);
    }
    Ok(copies)
}

/// Where the runs' directories are.
fn runs() -> PathBuf {
    setup::checkout().join("target/lab")
}

/// Makes the directory of a new run, numbered, and removes those of long ago.
pub fn new_run(what: &str) -> Result<PathBuf> {
    let runs = runs();
    fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
    let mut old: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(&runs).with_context(|| format!("cannot read {}", runs.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let number = name
            .split('-')
            .next()
            .and_then(|number| number.parse().ok());
        old.extend(number.map(|number| (number, path)));
    }
    old.sort();
    for (_, path) in old.iter().rev().skip(KEPT) {
        // Another lab may be removing the same.
        let _ = fs::remove_dir_all(path);
    }
    let mut number = old.last().map_or(1, |(number, _)| number + 1);
    loop {
        let dir = runs.join(format!("{number:04}-{what}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", dir.display()));
            }
        }
    }
}

/// What is built for a guest.
const PACKAGES: [&str; 2] = ["guest", "smcify-cli"];

/// Static, so that they run in any guest. Debug information is most of their size, and unpacking
/// an initramfs a part of every boot.
const FLAGS: &str = "-C target-feature=+crt-static -C strip=debuginfo";

/// Builds the guest's programs by the host's cargo and says where they are.
fn build_guest(arch: Arch) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    build(Command::new(cargo), arch, &setup::checkout().join("target"))
}

/// The same by the cargo of a root, which has what the programs of another architecture take.
/// It asks no registry: what they are made from is put beside them by the host's.
fn cross_build_guest(root: &Root, arch: Arch) -> Result<PathBuf> {
    let target = setup::checkout().join("target").join(arch.name());
    let vendor = target.join("vendor");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut fetch = Command::new(cargo);
    fetch.args(["vendor", "--quiet", "--locked"]).arg(&vendor);
    let fetched = fetch.current_dir(setup::checkout()).stdout(Stdio::null());
    if !fetched.status().context("cannot run cargo")?.success() {
        bail!("cargo vendor failed; it says why above");
    }
    let mut cargo = root.command("cargo");
    let source = format!("source.vendor.directory=\"{}\"", vendor.display());
    cargo.args(["--config", &source, "--offline"]);
    cargo.args(["--config", "source.crates-io.replace-with=\"vendor\""]);
    let linker = format!("{}-linux-gnu-gcc", arch.gnu());
    cargo.env(variable(arch, "LINKER"), linker);
    cargo.env("CARGO_HOME", target.join("home"));
    build(cargo, arch, &target)
}

/// A variable of cargo's about what it builds for.
fn variable(arch: Arch, what: &str) -> String {
    let target = arch.target().to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{target}_{what}")
}

fn build(mut cargo: Command, arch: Arch, target_dir: &Path) -> Result<PathBuf> {
    cargo.args(["build", "--quiet", "--release", "--target", &arch.target()]);
    cargo.args(PACKAGES.iter().flat_map(|name| ["--package", name]));
    cargo.arg("--target-dir").arg(target_dir);
    cargo.current_dir(setup::checkout());
    cargo.env(variable(arch, "RUSTFLAGS"), FLAGS);
    let status = cargo
        .status()
        .context("cannot run cargo to build the guest's programs")?;
    if !status.success() {
        bail!("the guest's programs do not build; cargo says why above");
    }
    let dir = target_dir.join(arch.target()).join("release");
    let missing = PROGRAMS.iter().find(|(name, _)| !dir.join(name).is_file());
    match missing {
        Some((name, _)) => bail!("the build left no {}", Path::new(&dir).join(name).display()),
        None => Ok(dir),
    }
}
