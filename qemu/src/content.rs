// SPDX-License-Identifier: GPL-2.0
//! What is put into a guest: its init, the modules, the user's files, Debian's tools.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use guest::PLAN;
use guest::PROGRAMS;
use guest::Plan;
use setup::Arch;

use crate::ground::Bench;
use crate::ground::Ground;
use crate::image::Image;
use crate::kmod::Kmods;
use crate::tree::Tree;

/// Debian's programs for whoever works in a guest, as far as the root has them.
const TOOLS: &str = "\
    bash sh env true false test [ echo printf cat tee head tail wc sort uniq cut tr seq sleep timeout \
    ls ln cp mv rm mkdir rmdir touch chmod chown stat readlink realpath basename dirname mktemp dd df du \
    md5sum sha256sum od xxd hexdump date id uname hostname nproc kill sync expr yes tty stty clear \
    grep sed awk find xargs less ps free dmesg mount umount lsof strace taskset unshare nsenter setpriv \
    insmod rmmod lsmod modinfo sysctl ip ss tc bridge rdma bpftool iperf3 nc smcss smc_run smcr smcd";

/// Those of them that the scenarios run.
const SCENARIO_TOOLS: &str = "bash sh true sleep ip tc rdma nsenter iperf3";

/// Other files of the root, as far as it has them: what the C library loads when
/// a thread is cancelled, and what makes a terminal nicer.
const OTHERS: [&str; 3] = [
    "libgcc_s.so.1",
    "/usr/share/terminfo/x/xterm",
    "/usr/share/terminfo/l/linux",
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// What a guest is wanted for.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Files of the host for `/files`.
    pub with: Vec<PathBuf>,
    /// Whether smcify.ko is loaded.
    pub module: bool,
    /// Whether a user EID is added.
    pub ueid: bool,
    /// Whether there is a soft-RoCE device.
    pub rxe: bool,
    /// Whether to look for leaks when the command is over.
    pub leaks: bool,
    /// Whether somebody may want Debian's tools there.
    pub tools: bool,
    /// How many guests there are.
    pub nodes: u8,
    /// What to run; a shell when empty.
    pub command: Vec<String>,
}

/// Where programs and their libraries come from.
struct Source {
    host: Tree,
    root: Tree,
    /// The C library of the guest is the newer one: it serves the programs of
    /// both. Only needed when the user brings programs of the host.
    host_libraries: bool,
}

impl Source {
    fn new(root: Tree, mixed: bool) -> Source {
        let host = Tree::new("/", Arch::X86);
        let host_libraries = mixed && host.libc_version() > root.libc_version();
        Source {
            host,
            root,
            host_libraries,
        }
    }

    fn first(&self) -> Option<&Tree> {
        Some(if self.host_libraries {
            &self.host
        } else {
            &self.root
        })
    }
}

impl Content {
    /// The plan and the initramfs without it, the same for all guests of a run.
    pub fn gather(&self, ground: &Ground, bench: &Bench) -> Result<(Plan, Image)> {
        let mut image = Image::new();
        image.bytes("etc/passwd", PASSWD);
        image.bytes("etc/hosts", HOSTS);
        for (name, at) in PROGRAMS {
            image.copy(at, &bench.programs(ground).join(name));
        }
        image.link("init", "bin/guest");
        let source = Source::new(
            Tree::new(bench.tools(ground).dir(), bench.built.arch),
            !self.with.is_empty(),
        );
        let mut command = self.command.clone();
        self.add_files(&mut image, &source)?;
        if let Some(program) = command.first_mut() {
            *program = self.add_program(&mut image, &source, program)?;
        }
        let tools = if self.tools { TOOLS } else { SCENARIO_TOOLS };
        add_tools(&mut image, &source, tools)?;
        let plan = Plan {
            modules: self.add_modules(&mut image, ground, bench)?,
            ueid: self.ueid.then(|| "SMCIFY-LAB".to_string()),
            nodes: self.nodes,
            rxe: self.rxe,
            command,
            cwd: "/files".into(),
            kmemleak: self.leaks && bench.has("CONFIG_DEBUG_KMEMLEAK=y"),
            ..Plan::default()
        };
        Ok((plan, image))
    }

    fn add_files(&self, image: &mut Image, source: &Source) -> Result<()> {
        for file in &self.with {
            let name = file.file_name().filter(|_| file.is_file());
            let Some(name) = name else {
                bail!("--with {}: there is no such file", file.display());
            };
            image.copy(&format!("files/{}", name.to_string_lossy()), file);
            let needed = source.host.add_needed(image, file, source.first());
            needed.with_context(|| format!("--with {}", file.display()))?;
        }
        Ok(())
    }

    /// Finds the command's program, puts it into the guest if it is Debian's
    /// and says where it will be.
    fn add_program(&self, image: &mut Image, source: &Source, program: &str) -> Result<String> {
        let mine = |file: &&PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            [
                format!("{name}"),
                format!("./{name}"),
                format!("/files/{name}"),
            ]
            .contains(&program.to_string())
        };
        if let Some(name) = self
            .with
            .iter()
            .find(mine)
            .and_then(|file| file.file_name())
        {
            return Ok(format!("/files/{}", name.to_string_lossy()));
        }
        if let Some((_, at)) = PROGRAMS
            .iter()
            .find(|(name, at)| *name == program || *at == program)
        {
            return Ok(at.to_string());
        }
        let path = match program.contains('/') {
            true => Some(PathBuf::from(program)),
            false => source.root.find(program),
        };
        let known = path.filter(|path| source.root.has(path));
        let Some(path) = known else {
            bail!(
                "no program {program} for the guest: neither among the files of --with, nor of the guest's \
                 ({}), nor in the toolchain root",
                PROGRAMS.map(|(name, _)| name).join(", ")
            );
        };
        source.root.add(image, &path, source.first())?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Puts all modules in; says which to load, in order.
    fn add_modules(
        &self,
        image: &mut Image,
        ground: &Ground,
        bench: &Bench,
    ) -> Result<Vec<String>> {
        let kmods = Kmods::new(&bench.built.dir)?;
        // Modules in some kernels, built into others; KUnit for those who have it.
        let mut wanted = vec!["configfs"];
        wanted.extend(kmods.has("kunit").then_some("kunit"));
        wanted.extend(["smc", "smc_diag"]);
        if self.rxe {
            wanted.push("rdma_rxe");
        }
        let theirs = kmods.load_order(&wanted)?;
        let files: Vec<_> = theirs
            .iter()
            .map(|path| bench.built.dir.join(path))
            .collect();
        let mut load = Vec::new();
        for (path, file) in theirs.iter().zip(ground.stripped(bench, &files)?) {
            let at = format!(
                "/lib/modules/{}/kernel/{}",
                bench.built.release,
                path.display()
            );
            image.copy(&at, &file);
            load.push(at);
        }
        let mut ours = Vec::new();
        for file in ground.stripped(bench, &bench.modules)? {
            let at = format!(
                "/modules/{}",
                file.file_name().unwrap_or_default().to_string_lossy()
            );
            image.copy(&at, &file);
            ours.push(at);
        }
        // The latter is loaded after what it uses, by hand or not.
        let mut ours_to_load = vec!["/modules/smcify_stream.ko"];
        ours_to_load.extend(self.module.then_some("/modules/smcify.ko"));
        for name in ours_to_load {
            let made = ours.iter().find(|at| *at == name);
            load.push(
                made.with_context(|| format!("the build made no {name}"))?
                    .clone(),
            );
        }
        Ok(load)
    }
}

/// Completes an image with the plan of guest `node` and writes it.
pub fn write(plan: &Plan, node: u8, image: &mut Image, to: &Path) -> Result<()> {
    let mut plan = plan.clone();
    plan.node = node;
    plan.env.push(("LAB_NODE".into(), node.to_string()));
    let text = serde_json::to_string_pretty(&plan).context("the boot plan is no JSON")?;
    image.replace(PLAN, text);
    image.write(to)
}

fn add_tools(image: &mut Image, source: &Source, tools: &str) -> Result<()> {
    let tools = tools
        .split_whitespace()
        .filter_map(|tool| source.root.find(tool));
    let others = OTHERS
        .iter()
        .map(|name| source.root.libraries_at().join(name))
        .filter(|path| source.root.has(path));
    for path in tools.chain(others) {
        source.root.add(image, &path, source.first())?;
    }
    Ok(())
}
