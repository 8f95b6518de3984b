// SPDX-License-Identifier: GPL-2.0
//! The image of real programs: a read-only file system for guests, made from a
//! Debian root and from the few programs of ours that want Debian's compilers.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::cache::Cache;
use crate::cache::GB;
use crate::checkout;
use crate::debootstrap::remove;
use crate::enter::inside;
use crate::progress::Progress;
use crate::progress::Step;
use crate::recipe::PROGRAMS;
use crate::root::Root;
use crate::run;

/// The step's name.
const STEP: &str = "programs' image";

/// Where our own programs are, in the checkout.
const SOURCES: &str = "qemu/programs";
/// Those that are built.
const SOURCE: [&str; 2] = ["Echo.java", "http.go"];
/// Those that go into the image as they are.
const SCRIPTS: [&str; 2] = ["http.js", "verdicts.py"];

/// Where they are in the image.
const PLACE: &str = "/opt/smcify";

/// What makes ours in [`PLACE`], run where the sources are. Keys and a certificate are the same in
/// all guests of a run.
const BUILD: [&str; 4] = [
    "javac -d /opt/smcify Echo.java",
    "env CGO_ENABLED=0 GOCACHE=/var/cache/go GOTOOLCHAIN=local go build -trimpath -o /opt/smcify/http http.go",
    "ssh-keygen -q -t ed25519 -N '' -C lab -f /opt/smcify/ssh.key",
    "openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=lab -keyout /opt/smcify/tls.key -out /opt/smcify/tls.pem",
];

/// Makes the file `$0`. tar leaves out other file systems; all files are root's, whoever makes
/// it.
/// Not compressed: an emulated processor is slower than any disk.
const PACK: &str = "tar --create --one-file-system --owner=root:0 --group=root:0 \"${@:1}\" --directory=/ . \
    | mkfs.erofs --quiet --preserve-mtime --tar=f \"$0\"";

/// What no program needs when it runs. As tar sees it.
const LEFT_OUT: [&str; 11] = [
    "./var/cache/*",
    "./var/lib/apt/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./usr/lib/go-*",
    "./usr/share/go-*",
    "./usr/lib/x86_64-linux-gnu/libLLVM*",
    "./usr/lib/jvm/*/jmods",
    "./usr/lib/jvm/*/lib/src.zip",
];

/// The room that the image takes.
const ROOM: u64 = 2 * GB;

/// The names of the steps that [`programs`] may take.
pub fn steps() -> Vec<String> {
    [PROGRAMS.step, STEP].map(str::to_string).to_vec()
}

/// The image, an EROFS; made first when it is not there or was made from something else.
pub fn programs(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let image = cache.dir().join("programs.erofs");
    let stamp = image.with_extension("erofs.stamp");
    let identity = identity()?;
    let current = || image.exists() && fs::read_to_string(&stamp).is_ok_and(|it| it == identity);
    if !current() {
        let root = Root::of(&PROGRAMS, cache, progress)?;
        let _lock = cache.lock("programs-image", progress)?;
        if !current() {
            let step = progress.step(STEP);
            cache.need("the image of real programs", ROOM)?;
            make(&root, &image, &step)?;
            fs::write(&stamp, &identity)
                .with_context(|| format!("cannot write {}", stamp.display()))?;
            step.done();
        }
    }
    Ok(image)
}

/// What makes the image what it is.
fn identity() -> Result<String> {
    let mut text = PROGRAMS.text() + &BUILD.join("\n") + PACK + &LEFT_OUT.join(" ");
    for name in SOURCE.iter().chain(&SCRIPTS) {
        let path = checkout().join(SOURCES).join(name);
        let source = fs::read_to_string(&path);
        text += &source.with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text)
}

/// Makes the image, whole or not there.
fn make(root: &Root, image: &Path, step: &Step) -> Result<()> {
    step.note("building our own");
    build(root)?;
    let partial = image.with_extension("partial");
    let mut pack = root.command("bash");
    pack.args(["-o", "pipefail", "-c", PACK]).arg(&partial);
    pack.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    // What is bound may be of the same file system.
    let bound = root.bound().into_iter();
    pack.arg("--no-wildcards");
    pack.args(bound.map(|path| format!("--exclude=.{}", path.display())));
    run::polled(pack, &root.cache().log("programs-image"), || {
        let bytes = fs::metadata(&partial).map_or(0, |data| data.len());
        step.note(&format!("packing, {} MB", bytes / 1_000_000));
    })?;
    fs::rename(&partial, image).with_context(|| format!("cannot write {}", image.display()))
}

/// Puts what is ours into the root, and a list of what is Debian's.
fn build(root: &Root) -> Result<()> {
    let (sources, place) = (
        checkout().join(SOURCES),
        inside(root.dir(), Path::new(PLACE)),
    );
    remove(&place)?;
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    for line in BUILD {
        let mut command = root.command("sh");
        command.args(["-c", line]).current_dir(&sources);
        run::logged(command, &root.cache().log("programs-own"), |_| ())?;
    }
    for name in SCRIPTS {
        let (from, to) = (sources.join(name), place.join(name));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let mut list = root.command("dpkg-query");
    list.arg("--show");
    let packages = run::output(list)?;
    fs::write(place.join("packages"), packages).context("cannot write the list of packages")
}
