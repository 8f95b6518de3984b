// SPDX-License-Identifier: GPL-2.0
//! Kernel sources: the pinned Debian packages from a mirror's pool, or a tarball
//! or tree of the user's own.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::apt;
use crate::apt::Apt;
use crate::cache::GB;
use crate::debootstrap::remove;
use crate::progress::Progress;
use crate::progress::Step;
use crate::root::Root;
use crate::run;

/// A package of the current kernel: what it is in the pool with are the older
/// ones, which leave the index but not the pool.
const NEIGHBOUR: &str = "linux-libc-dev";

/// The room that a package and its tree take.
const ROOM: u64 = 22 * GB / 10;

/// A file of Debian's pool that the lab is pinned to.
#[derive(Debug)]
struct Package {
    file: &'static str,
    sha256: &'static str,
}

/// A kernel source that the lab is pinned to.
#[derive(Debug)]
pub(crate) struct Source {
    pub version: &'static str,
    package: Package,
    /// Debian's configurations of it, where something is built from one.
    configs: Option<Package>,
    /// The environment variable that names a tarball or tree to use instead.
    variable: &'static str,
}

/// A source tree on disk.
pub(crate) struct Tree {
    pub dir: PathBuf,
    /// What the tree is; none for the user's own, which may change at any time.
    pub identity: Option<String>,
}

/// The stable kernel: SMC's bugs are fixed.
pub(crate) static V7_3: Source = Source {
    version: "7.3.4",
    package: Package {
        file: "linux-source-7.3_7.3.4-1~bpo13+1_all.deb",
        sha256: "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3",
    },
    configs: Some(Package {
        file: "linux-config-7.3_7.3.4-1~bpo13+1_amd64.deb",
        sha256: "1161d8946bd74094857fc1950da809a14e1b3aafe4f3defbec83150520e3e82c",
    }),
    variable: "SMCIFY_LINUX_7_3",
};

/// The one before.
pub(crate) static V7_2: Source = Source {
    version: "7.2.12",
    package: Package {
        file: "linux-source-7.2_7.2.12-1~bpo13+1_all.deb",
        sha256: "73ca6c22599ba411ab3179642d33501ca2c90174e13c3c8d86e996ea1cbf2a8f",
    },
    configs: None,
    variable: "SMCIFY_LINUX_7_2",
};

/// The long-term kernel.
pub(crate) static V6_18: Source = Source {
    version: "6.18.15",
    package: Package {
        file: "linux-source-6.18_6.18.15-1~bpo13+1_all.deb",
        sha256: "1638c9e5f4307c722231d8000e30cd2fa2fb71f55e081ff9eecfd0a756955c18",
    },
    configs: None,
    variable: "SMCIFY_LINUX_6_18",
};

/// The kernel with the bugs.
pub(crate) static V6_16: Source = Source {
    version: "6.16.12",
    package: Package {
        file: "linux-source-6.16_6.16.12-1~bpo13+1_all.deb",
        sha256: "964713fc10135438e02350259f9c0f8f7a82a4994e27980790aaee1cfd197242",
    },
    configs: None,
    variable: "SMCIFY_LINUX_6_16",
};

impl Source {
    /// The step's name.
    pub fn step(&self) -> String {
        format!("source {}", self.version)
    }

    /// The tree, fetched and unpacked if need be.
    pub fn ensure(&self, root: &Root, progress: &Progress) -> Result<Tree> {
        match env::var_os(self.variable).map(PathBuf::from) {
            None => self.unpacked(root, progress, self.package.sha256.to_string(), |step| {
                self.download(root, step)
            }),
            Some(own) => self
                .own(&own, root, progress)
                .with_context(|| format!("{} does not serve", self.variable)),
        }
    }

    /// A tree or tarball of the user's own.
    fn own(&self, path: &Path, root: &Root, progress: &Progress) -> Result<Tree> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find {}", path.display()))?;
        if path.join("Kbuild").is_file() && path.join("Makefile").is_file() {
            root.bind(&path)?;
            return Ok(Tree {
                dir: path,
                identity: None,
            });
        }
        let data = fs::metadata(&path)?;
        if data.is_dir() {
            bail!(
                "{} is no kernel source tree: it has no Kbuild",
                path.display()
            );
        }
        root.bind(path.parent().unwrap_or(&path))?;
        let changed = data
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let identity = format!("{} {} {}", path.display(), data.len(), changed.as_nanos());
        self.unpacked(root, progress, identity, |_| Ok(path))
    }

    /// The cache's tree of `identity`, unpacked from the archive that `fetch`
    /// gives when it is not there.
    fn unpacked(
        &self,
        root: &Root,
        progress: &Progress,
        identity: String,
        fetch: impl FnOnce(&Step) -> Result<PathBuf>,
    ) -> Result<Tree> {
        let cache = root.cache();
        let dir = cache.dir().join(format!("src/linux-{}", self.version));
        let stamp = dir.with_file_name(format!("linux-{}.stamp", self.version));
        let current = || {
            dir.join("Kbuild").exists() && fs::read_to_string(&stamp).is_ok_and(|it| it == identity)
        };
        if !current() {
            let _lock = cache.lock(&format!("source-{}", self.version), progress)?;
            if !current() {
                let step = progress.step(&self.step());
                cache.need(&format!("the source of Linux {}", self.version), ROOM)?;
                let archive = fetch(&step)?;
                step.note("unpacking");
                unpack(root, &archive, &dir)?;
                fs::write(&stamp, &identity)
                    .with_context(|| format!("cannot write {}", stamp.display()))?;
                step.done();
            }
        }
        Ok(Tree {
            dir,
            identity: Some(identity),
        })
    }

    /// The pinned package, from the pool of the mirror that apt uses.
    fn download(&self, root: &Root, step: &Step) -> Result<PathBuf> {
        self.package.download(root, step).with_context(|| {
            format!(
                "no source of Linux {}; {} may name a tarball or tree of yours",
                self.version, self.variable
            )
        })
    }

    /// The name of the step that fetches Debian's configurations.
    pub fn configs_step(&self) -> String {
        format!("configurations {}", self.version)
    }

    /// The text of Debian's configuration `name`.
    pub fn config(&self, name: &str, root: &Root, progress: &Progress) -> Result<String> {
        let package = self.configs.as_ref();
        let package = package.with_context(|| format!("no configurations of {}", self.version))?;
        let mut file = package.path(root);
        if !file.exists() {
            let step = progress.step(&self.configs_step());
            file = package.download(root, &step)?;
            step.done();
        }
        let mut command = root.command("bash");
        let script = "dpkg-deb --fsys-tarfile \"$0\" \
                      | tar --extract --to-stdout --wildcards \"./usr/src/linux-config-*/config.$1.xz\" \
                      | xz --decompress";
        command.args(["-o", "pipefail", "-c", script]);
        command.arg(&file).arg(name);
        run::output(command)
            .with_context(|| format!("{} has no configuration {name}", file.display()))
    }
}

impl Package {
    /// Where it is in the cache.
    fn path(&self, root: &Root) -> PathBuf {
        root.cache().dir().join("download").join(self.file)
    }

    /// The file, in the cache.
    fn download(&self, root: &Root, step: &Step) -> Result<PathBuf> {
        let file = self.path(root);
        if file.exists() {
            return Ok(file);
        }
        let dir = file.parent().unwrap_or(&file);
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        step.note("looking for a Debian mirror");
        let pool = Apt::open(root.cache())?.pool(NEIGHBOUR)?;
        let uri = format!("{pool}/{}", self.file);
        let log = root.cache().log(&format!("download {}", self.file));
        apt::download(&uri, &file, self.sha256, &log, step)?;
        Ok(file)
    }
}

/// Unpacks a source package or tarball so that `dir` is the kernel tree, whole
/// or not there.
fn unpack(root: &Root, archive: &Path, dir: &Path) -> Result<()> {
    let partial = dir.with_extension("partial");
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let mut command = match archive.extension().is_some_and(|it| it == "deb") {
        true => piped(root, archive),
        false => {
            let mut tar = root.command("tar");
            tar.arg("--extract").arg("--file").arg(archive);
            tar
        }
    };
    command
        .args(["--strip-components=1", "--no-same-owner", "--directory"])
        .arg(&partial);
    run::output(command).with_context(|| format!("cannot unpack {}", archive.display()))?;
    remove(dir)?;
    fs::rename(&partial, dir).with_context(|| format!("cannot write {}", dir.display()))
}

/// The command that unpacks the tarball in a Debian source package, but for
/// the last arguments of tar.
fn piped(root: &Root, package: &Path) -> Command {
    let mut command = root.command("bash");
    let script = "dpkg-deb --fsys-tarfile \"$0\" | tar --extract --to-stdout --wildcards './usr/src/linux-source-*.tar.xz' \
                  | xz --decompress --threads=0 | tar --extract \"$@\"";
    command.args(["-o", "pipefail", "-c", script]).arg(package);
    command
}
