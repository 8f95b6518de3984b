// SPDX-License-Identifier: GPL-2.0
//! `lab bench`: what smcify costs, counted in instructions, beside what else there is to
//! choose from; held against its targets and against the committed results.

mod judge;
mod page;
mod plot;
mod results;
mod targets;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use setup::Step;

use crate::args;
use crate::boot::Boot;
use crate::content::Content;
use crate::facts::facts;
use crate::ground;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::log::Event;
use crate::machine::RESULTS;
use crate::qemu::Accel;
use crate::tally::Failure;
use crate::tally::Tally;
use setup::Kernel;

use page::Page;
use results::Results;

const STEP: &str = "measuring";
/// No guest takes longer, not even on a slow machine.
const TIMEOUT: Duration = Duration::from_secs(900);

/// What a guest measures. Those that take longest come first.
const GUESTS: [&[&str]; 5] = [
    &["rules-cgroup", "rules-comm"],
    &["rules-uid", "rules-netns"],
    &["handshake"],
    &["sockets", "others", "depth"],
    &["connections", "life"],
];
/// What is measured on the kernel that has the ULP: the columns beside it.
const BESIDE_ULP: [&[&str]; 1] = [&["sockets", "connections"]];

/// A guest to boot.
struct Guest {
    kernel: Kernel,
    parts: Vec<String>,
    /// Whether its clock counts instructions.
    counts: bool,
}

/// `lab bench`; returns the status to end with.
pub fn bench(args: &args::Bench) -> Result<u8> {
    let own = args.kdir.clone().map(Kernel::Dir);
    let kernels = match &own {
        Some(dir) => vec![dir.clone()],
        None => vec![Kernel::PLAIN, Kernel::PLAIN_VULNERABLE],
    };
    let ground = Ground::prepare(&kernels, &[STEP])?;
    let programs = programs()?;
    let benches: Vec<_> = kernels
        .iter()
        .map(|kernel| Ok((kernel.clone(), ground.bench(kernel)?)))
        .collect::<Result<_>>()?;

    let step = ground.progress.step(STEP);
    let measure = |counts: bool| {
        let guests = guests(&kernels, &args.only, counts);
        run(&ground, &benches, &programs, guests, &step)
    };
    let (counted, mut tally) = measure(true)?;
    // Where a guest's time is real time, it is worth a look as well.
    let timed = match benches.iter().all(|(_, it)| it.accel == Accel::Kvm) {
        true => Some(measure(false)?),
        false => None,
    };
    step.done();
    let timed = timed.map(|(timed, its)| {
        tally.add(its);
        timed
    });

    let committed = match own {
        None => results::committed()?,
        Some(_) => None,
    };
    let verdicts = targets::verdicts(&counted);
    tally.add(judge::targets(&verdicts));
    tally.add(judge::regressions(&counted, committed.as_ref()));
    let dir = match own {
        None => setup::checkout().join("bench"),
        Some(_) => setup::checkout().join("target/bench"),
    };
    let between = benches.iter().map(|(kernel, bench)| {
        let what = format!("Linux {} ({kernel})", bench.built.release);
        ("Kernel", what)
    });
    let page = Page {
        facts: facts(&ground.root, between.collect())?,
        config: match own {
            None => Kernel::PLAIN.fragments()?,
            Some(_) => Vec::new(),
        },
        counted: &counted,
        timed: timed.as_ref(),
        verdicts: &verdicts,
        good: tally.good(),
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    write(&dir.join("index.html"), page.html()?)?;
    if args.only.is_empty() {
        write(&dir.join(results::FILE), counted.json()?)?;
    }
    print!("{}", counted.tables());
    println!("{}", tally.report());
    println!("{}", dir.join("index.html").display());
    Ok(if tally.good() { 0 } else { 1 })
}

fn write(path: &Path, text: String) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The guests for `kernels`; of their parts those in `only`, or all.
fn guests(kernels: &[Kernel], only: &[String], counts: bool) -> Vec<Guest> {
    let of = |kernel: &Kernel| match *kernel == Kernel::PLAIN_VULNERABLE {
        true => &BESIDE_ULP[..],
        false => &GUESTS[..],
    };
    let all = kernels
        .iter()
        .flat_map(|kernel| of(kernel).iter().map(move |parts| (kernel, *parts)));
    let guests = all.map(|(kernel, parts)| {
        let parts = parts.iter().map(|it| it.to_string());
        Guest {
            kernel: kernel.clone(),
            parts: parts
                .filter(|it| only.is_empty() || only.contains(it))
                .collect(),
            counts,
        }
    });
    guests.filter(|guest| !guest.parts.is_empty()).collect()
}

/// Boots as many at a time as there are processors.
fn run(
    ground: &Ground,
    benches: &[(Kernel, ground::Bench)],
    programs: &[PathBuf],
    guests: Vec<Guest>,
    step: &Step,
) -> Result<(Results, Tally)> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.min(guests.len());
    let queue = Mutex::new(guests.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let one = |guest: &Guest| {
        let bench = benches.iter().find(|(kernel, _)| *kernel == guest.kernel);
        let (_, bench) = bench.context("a kernel was not built")?;
        boot(ground, bench, programs, guest, step)
    };
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(guest) = next() {
                    let went = one(&guest);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(went);
                }
            });
        }
    });
    let (mut results, mut tally) = (Results::default(), Tally::default());
    for went in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (measured, its) = went?;
        results.add(measured);
        tally.add(its);
    }
    Ok((results, tally))
}

/// Boots one guest and reads what it measured.
fn boot(
    ground: &Ground,
    bench: &ground::Bench,
    programs: &[PathBuf],
    guest: &Guest,
    step: &Step,
) -> Result<(Results, Tally)> {
    let verb = ["guest", "bench"].map(str::to_string);
    let boot = Boot {
        ground,
        bench,
        content: Content {
            with: programs.to_vec(),
            ueid: true,
            nodes: 1,
            command: verb.into_iter().chain(guest.parts.clone()).collect(),
            ..Content::default()
        },
        drive: None,
        memory: 2048,
        cpus: 1,
        counts: guest.counts,
        multi_shot: false,
        timeout: Some(TIMEOUT),
        interactive: false,
        dir: new_run(&format!("bench-{}", bench.built.name))?,
    };
    let what = guest.parts.join(", ");
    let place = format!("{}: {what}", guest.kernel);
    step.note(&format!("{place}: booting"));
    let ended = boot.run(
        |_| Box::new(|_| ()),
        |_, event| {
            if *event == Event::Up {
                step.note(&format!("{place}: up"));
            }
        },
    )?;
    let ended = ended.first().context("no guest was started")?;
    let path = ended.dir.join(RESULTS);
    let said =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let results = Results::read(&bench.built.release, &said)?;
    let mut tally = Tally::default();
    match ended.status() {
        0 => tally.passed += 1,
        status => {
            let what = format!("guest bench ended with status {status}");
            let mut lines: Vec<_> = said.lines().map(str::to_string).collect();
            lines.extend(ended.trouble());
            tally.fail(Failure::new(&place, &what, lines));
        }
    }
    Ok((results, tally))
}

/// Builds the program that is measured, and what is preloaded into it: dynamically linked,
/// for this host's C library, which comes along.
fn programs() -> Result<Vec<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let target_dir = setup::checkout().join("target");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--lib", "--bin", "bench"]);
    build.args(["--package", "guest", "--package", "preload"]);
    build.arg("--target-dir").arg(&target_dir);
    build.current_dir(setup::checkout());
    let status = build.status();
    let status = status.context("cannot run cargo to build the program that is measured")?;
    if !status.success() {
        bail!("the program that is measured does not build; cargo says why above");
    }
    let dir = target_dir.join("release");
    Ok(vec![dir.join("bench"), dir.join("libpreload.so")])
}
