// SPDX-License-Identifier: GPL-2.0
//! `lab vng`: the scenarios under virtme-ng, which boots a kernel with the
//! toolchain root as its file system. Our init takes over there, in a tree that has what
//! its initramfs would have.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use guest::PLAN;

use crate::args;
use crate::args::Check;
use crate::content::Content;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::log::Event;
use crate::log::Log;
use crate::machine::Ended;
use crate::machine::RESULTS;
use crate::qemu::Accel;
use crate::qemu::KERNEL_LINE;
use crate::qemu::SERIAL;
use crate::scenarios::Group;
use crate::scenarios::groups;
use crate::scenarios::judge;
use crate::scenarios::listed;
use crate::tally::Tally;

const STEP: &str = "virtme-ng";

/// virtme-ng cannot be told a time limit; `timeout` can. Under TCG, its boot alone,
/// with udev over 9p, takes more than a minute.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// `timeout` says so with this status.
const TIMED_OUT: i32 = 124;

/// `lab vng`; returns the status to end with.
pub fn vng(args: &Check) -> Result<u8> {
    let kernels = args::asked(&args.kernel);
    let ground = Ground::prepare(&kernels, &[STEP])?;
    let mut tally = Tally::default();
    for kernel in &kernels {
        let bench = ground.bench(kernel)?;
        let groups = groups(&listed(&ground)?, std::slice::from_ref(kernel), &args.names)?;
        // There is no second guest, and no disk for the image of real programs. Reports that
        // scenarios provoke are for `make check`, which tells them from others.
        for group in &groups {
            if group.nodes == 1 && group.expects.is_empty() && !group.programs {
                tally.add(scenarios(&ground, &bench, group)?);
            }
        }
    }
    println!("{}", tally.report());
    Ok(if tally.good() { 0 } else { 1 })
}

fn scenarios(ground: &Ground, bench: &Bench, group: &Group) -> Result<Tally> {
    let place = format!("{} under virtme-ng", group.place());
    let step = ground.progress.step(STEP);
    step.note(&place);
    let content = Content {
        ueid: true,
        leaks: true,
        tools: true,
        nodes: 1,
        command: group.command(),
        ..Content::default()
    };
    let dir = new_run(&format!("vng-{}", bench.built.name))?;
    let tree = dir.join("tree");
    let (plan, mut image) = content.gather(ground, bench)?;
    let text = serde_json::to_string_pretty(&plan).context("the boot plan is no JSON")?;
    image.replace(PLAN, text);
    image.unpack(&tree)?;
    let ended = start(ground, bench, &dir, &tree)?;
    // It is as large as an initramfs, and only that.
    let _ = fs::remove_dir_all(&tree);
    step.done();
    judge(ground, &bench.built.source, &ended, &place, group)
}

/// Runs virtme-ng to its end. It wants a terminal, which `script` gives it.
fn start(ground: &Ground, bench: &Bench, dir: &Path, tree: &Path) -> Result<Ended> {
    // A root of its own, as chroot(1) would not be: in such a one nobody may make user namespaces.
    let inside = format!(
        "mount -t tmpfs lab /mnt && cp -a {}/. /mnt && \
         exec unshare --mount switch_root /mnt /init init",
        tree.display()
    );
    let line = command_line(bench, dir, &inside);
    let mut script = ground.root.command("timeout");
    script.arg(TIMEOUT.as_secs().to_string());
    script.args([
        "script",
        "--quiet",
        "--return",
        "--command",
        &line,
        "/dev/null",
    ]);
    let output = script.stdin(Stdio::null()).output();
    let output = output.context("cannot run virtme-ng in the toolchain root")?;
    let mut log = Log::default();
    let serial = dir.join(SERIAL);
    let events = log.feed(&fs::read(&serial).unwrap_or_default());
    let exit = events.iter().find_map(|event| match event {
        Event::Exit(status) => Some(*status),
        _ => None,
    });
    let (splats, mut tail) = log.finish();
    if exit.is_none() {
        let said = String::from_utf8_lossy(&output.stdout);
        tail.extend(said.lines().map(str::to_string));
    }
    Ok(Ended {
        dir: dir.to_path_buf(),
        exit,
        splats,
        timed_out: output.status.code() == Some(TIMED_OUT),
        tail,
        complaint: String::new(),
    })
}

/// The kernel log and the results go through consoles of our own into files.
fn command_line(bench: &Bench, dir: &Path, inside: &str) -> String {
    let file =
        |id: &str, name: &str| format!("-chardev file,id={id},path={}", dir.join(name).display());
    let devices = [
        file("labresults", RESULTS),
        file("labserial", SERIAL),
        "-device virtio-serial-pci,id=lab".to_string(),
        "-device virtconsole,bus=lab.0,chardev=labresults".to_string(),
        "-device virtconsole,bus=lab.0,chardev=labserial".to_string(),
    ];
    let mut words = vec![
        "vng",
        "--force-9p",
        "--disable-microvm",
        "--memory",
        "2G",
        "--cpus",
        "2",
    ];
    if bench.accel == Accel::Tcg {
        words.push("--disable-kvm");
    }
    let image = bench.built.image.display();
    format!(
        "{} --run {image} --append '{KERNEL_LINE} console=hvc1' \
         --qemu-opts='{}' --exec '{inside}'",
        words.join(" "),
        devices.join(" ")
    )
}
