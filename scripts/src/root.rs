// SPDX-License-Identifier: GPL-2.0
//! Debian roots: one release with every program that the lab needs, so that the
//! host's own versions do not matter.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cache::Cache;
use crate::cache::Lock;
use crate::checkout;
use crate::debootstrap;
use crate::enter;
use crate::progress::Progress;
use crate::recipe;
use crate::recipe::Recipe;
use crate::recipes::Arch;
use crate::run;

/// Packages whose versions decide what a kernel build gives.
const TOOLCHAIN: [&str; 6] = [
    "clang-??", "lld-??", "rustc", "rust-src", "bindgen", "pahole",
];

/// A root, ready to run programs in. No one rebuilds it meanwhile.
#[derive(Debug)]
pub struct Root {
    cache: Cache,
    dir: PathBuf,
    /// Where its LLVM is, inside.
    llvm: Option<PathBuf>,
    binds: Mutex<Vec<PathBuf>>,
    _lock: Lock,
}

impl Root {
    /// The cache's toolchain root; made first when it is not there or its recipe changed.
    pub fn ensure(cache: &Cache, progress: &Progress) -> Result<Root> {
        Root::of(&recipe::TOOLCHAIN, cache, progress)
    }

    /// What builds kernels of `arch`, where that is not the one above.
    pub fn toolchain(arch: Arch, cache: &Cache, progress: &Progress) -> Result<Option<Root>> {
        Root::other(arch.toolchain(), cache, progress)
    }

    /// What makes and runs guests of `arch`, likewise.
    pub fn cross(arch: Arch, cache: &Cache, progress: &Progress) -> Result<Option<Root>> {
        Root::other(arch.cross(), cache, progress)
    }

    /// What Debian's programs of such guests are taken from, likewise.
    pub fn tools(arch: Arch, cache: &Cache, progress: &Progress) -> Result<Option<Root>> {
        Root::other(arch.tools(), cache, progress)
    }

    fn other(
        recipe: Option<&'static Recipe>,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<Option<Root>> {
        recipe
            .map(|recipe| Root::of(recipe, cache, progress))
            .transpose()
    }

    /// The same of any recipe.
    pub(crate) fn of(recipe: &Recipe, cache: &Cache, progress: &Progress) -> Result<Root> {
        if env::consts::ARCH != "x86_64" {
            bail!(
                "the lab's kernels are for x86_64, this machine is {}",
                env::consts::ARCH
            );
        }
        probe()?;
        let dir = cache.dir().join(recipe.name);
        let stamp = dir.with_extension("stamp");
        let text = recipe.text();
        let current = || {
            dir.join("usr/bin").exists() && fs::read_to_string(&stamp).is_ok_and(|it| it == text)
        };
        let mut lock = cache.share(recipe.name, progress)?;
        if !current() {
            drop(lock);
            lock = cache.lock(recipe.name, progress)?;
            if !current() {
                let step = progress.step(recipe.step);
                debootstrap::make(recipe, cache, &dir, &step)?;
                fs::write(&stamp, &text)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
                step.done();
            }
            lock = lock.downgrade()?;
        }
        let root = Root {
            cache: cache.clone(),
            llvm: llvm(&dir),
            dir,
            binds: Mutex::new(Vec::new()),
            _lock: lock,
        };
        for path in ["/dev", "/proc", "/sys"].map(PathBuf::from) {
            root.mount_point(&path)?;
        }
        for path in [
            Path::new("/tmp"),
            &env::temp_dir(),
            root.cache.dir(),
            checkout(),
        ] {
            root.bind(path)?;
        }
        Ok(root)
    }

    /// The root's directory, as the host sees it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The cache that the root is part of.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Makes the directory `path` of the host visible inside, at its own path,
    /// for commands made from now on. The checkout, the cache and the directory
    /// for temporary files are visible already.
    pub fn bind(&self, path: &Path) -> Result<()> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find {}", path.display()))?;
        let mut binds = self.binds.lock().unwrap_or_else(PoisonError::into_inner);
        if !binds.iter().any(|bound| path.starts_with(bound)) {
            self.mount_point(&path)?;
            binds.push(path);
        }
        Ok(())
    }

    /// What is visible inside of the host's directories.
    pub(crate) fn bound(&self) -> Vec<PathBuf> {
        let binds = self.binds.lock().unwrap_or_else(PoisonError::into_inner);
        binds.clone()
    }

    /// A command that runs `program` inside, as root there, in the current
    /// directory and a clean environment. Of the host it sees what is bound; it
    /// is terminated when the thread that spawned it ends.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8");
        command.env("TERM", env::var_os("TERM").unwrap_or("dumb".into()));
        // Another libclang makes bindgen emit opaque structs.
        if let Some(llvm) = &self.llvm {
            command.env("LIBCLANG_PATH", llvm.join("lib"));
        }
        let binds = self.binds.lock().unwrap_or_else(PoisonError::into_inner);
        enter::enter(&mut command, &self.dir, &binds);
        command
    }

    /// The versions of the programs that build kernels, a line each.
    pub(crate) fn versions(&self) -> Result<String> {
        let mut command = self.command("dpkg-query");
        command
            .args(["--show", "--showformat", "${Package} ${Version}\n"])
            .args(TOOLCHAIN);
        run::output(command)
            .context("the toolchain root is not complete; remove it and start again")
    }

    /// What the Rust compiler calls itself.
    pub(crate) fn rustc(&self) -> Result<String> {
        let mut command = self.command("rustc");
        command.arg("--version");
        Ok(run::output(command)?.trim().to_string())
    }

    fn mount_point(&self, path: &Path) -> Result<()> {
        let point = enter::inside(&self.dir, path);
        fs::create_dir_all(&point)
            .with_context(|| format!("cannot make the mount point {}", point.display()))
    }
}

/// Where the root in `dir` has its LLVM, inside.
fn llvm(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir.join("usr/lib")).ok()?;
    let mut names = entries.flatten().map(|entry| entry.file_name());
    let name = names.find(|name| name.to_string_lossy().starts_with("llvm-"))?;
    Some(Path::new("/usr/lib").join(name))
}

/// Fails with what is missing when no namespace can be made.
fn probe() -> Result<()> {
    let mut command = Command::new("/bin/true");
    enter::enter_namespaces(&mut command);
    match command.status() {
        Ok(_) => Ok(()),
        Err(error) if enter::is_root() => {
            bail!(
                "cannot make a mount namespace ({error}): root lacks CAP_SYS_ADMIN here; give the container that right"
            )
        }
        Err(error) => bail!(
            "cannot make a user namespace ({error}): allow them (sysctl user.max_user_namespaces, \
             kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns) or run as root"
        ),
    }
}
