// SPDX-License-Identifier: GPL-2.0
//! The image of real programs: a read-only file system for guests, made from a
//! Debian root and from the few programs of ours that want Debian's compilers.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

use crate::cache::Cache;
use crate::cache::GB;
use crate::checkout;
use crate::progress::Progress;
use crate::progress::Step;
use crate::recipe::PROGRAMS;
use crate::root::Root;
use crate::run;

/// The step's name.
const STEP: &str = "programs' image";

/// Where our own programs are, in the checkout.
const SOURCES: &str = "qemu/programs";
/// Those of them that go into the image.
const OURS: [&str; 3] = ["Echo.java", "http.go", "http.js"];

/// Puts what is ours into the root: `$0` is where the sources are.
const BUILD: &str = "mkdir -p /opt/smcify && cp \"$0/http.js\" /opt/smcify/ && javac -d /opt/smcify \"$0/Echo.java\" \
    && CGO_ENABLED=0 GOCACHE=/var/cache/go GOTOOLCHAIN=local go build -trimpath -o /opt/smcify/http \"$0/http.go\" \
    && rm -f /opt/smcify/key* && ssh-keygen -q -t ed25519 -N '' -C lab -f /opt/smcify/key \
    && dpkg-query --show >/opt/smcify/packages";

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
    let mut text = PROGRAMS.text() + BUILD + PACK + &LEFT_OUT.join(" ");
    for name in OURS {
        let path = checkout().join(SOURCES).join(name);
        let source = fs::read_to_string(&path);
        text += &source.with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text)
}

/// Makes the image, whole or not there.
fn make(root: &Root, image: &Path, step: &Step) -> Result<()> {
    let log = root.cache().log("programs-image");
    step.note("building our own");
    let mut build = shell(root, BUILD);
    build.arg(checkout().join(SOURCES));
    run::logged(build, &log, |_| ())?;
    let partial = image.with_extension("partial");
    let mut pack = shell(root, PACK);
    pack.arg(&partial);
    pack.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    // What is bound may be of the same file system.
    let bound = root.bound().into_iter();
    pack.arg("--no-wildcards");
    pack.args(bound.map(|path| format!("--exclude=.{}", path.display())));
    run::polled(pack, &log, || {
        let bytes = fs::metadata(&partial).map_or(0, |data| data.len());
        step.note(&format!("packing, {} MB", bytes / 1_000_000));
    })?;
    fs::rename(&partial, image).with_context(|| format!("cannot write {}", image.display()))
}

fn shell(root: &Root, script: &str) -> Command {
    let mut command = root.command("bash");
    command.args(["-o", "pipefail", "-c", script]);
    command
}
