// SPDX-License-Identifier: GPL-2.0
//! `lab run` and `lab shell`: one command of the user's in a guest.

use std::io;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use crate::args;
use crate::args::Machine;
use crate::args::Run;
use crate::args::Setup;
use crate::args::Shell;
use crate::boot::Boot;
use crate::content::Content;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::machine::Output;

/// `lab run`; returns the status to end with.
pub fn run(args: &Run) -> Result<u8> {
    let content = Content {
        rxe: args.rxe,
        leaks: !args.interactive,
        nodes: args.guests,
        command: args.command.clone(),
        ..content(&args.machine)
    };
    let timeout = (!args.interactive).then(|| Duration::from_secs(args.timeout));
    start(&args.machine, content, timeout)
}

/// `lab shell`.
pub fn shell(args: &Shell) -> Result<u8> {
    let content = Content {
        nodes: 1,
        ..content(&args.machine)
    };
    start(&args.machine, content, None)
}

/// `lab setup`.
pub fn setup(args: &Setup) -> Result<u8> {
    let kernels = args::asked(&args.kernel);
    let ground = Ground::prepare(&kernels, &[])?;
    for kernel in &kernels {
        let bench = ground.bench(kernel)?;
        println!(
            "{kernel}: Linux {} in {}",
            bench.built.release,
            bench.built.dir.display()
        );
    }
    Ok(0)
}

fn content(machine: &Machine) -> Content {
    Content {
        with: machine.with.clone(),
        module: !machine.no_module,
        ueid: !machine.no_ueid,
        tools: true,
        ..Content::default()
    }
}

fn start(machine: &Machine, content: Content, timeout: Option<Duration>) -> Result<u8> {
    let ground = Ground::prepare(std::slice::from_ref(&machine.kernel), &[])?;
    let bench = ground.bench(&machine.kernel)?;
    let two = content.nodes > 1;
    let boot = Boot {
        ground: &ground,
        bench: &bench,
        content,
        memory: machine.memory,
        cpus: machine.cpus,
        drive: machine
            .programs
            .then(|| ground.real_programs())
            .transpose()?,
        counts: machine.count,
        multi_shot: false,
        timeout,
        interactive: timeout.is_none(),
        dir: new_run("run")?,
    };
    let ended = boot.run(|node| if two { prefixed(node) } else { plain() }, |_, _| ())?;
    for (node, trouble) in ended
        .iter()
        .enumerate()
        .filter_map(|(node, one)| Some((node, one.trouble()?)))
    {
        match two {
            true => eprintln!("lab: guest {node}: {trouble}"),
            false => eprintln!("lab: {trouble}"),
        }
    }
    Ok(ended
        .iter()
        .map(|one| one.status())
        .max()
        .unwrap_or_default())
}

fn plain() -> Output {
    Box::new(|bytes| {
        let mut out = io::stdout().lock();
        // Who closed our output does not want to hear of it.
        let _ = out.write_all(bytes);
        let _ = out.flush();
    })
}

/// Whole lines, with the guest's number before each.
fn prefixed(node: u8) -> Output {
    let mut partial = Vec::new();
    Box::new(move |bytes| {
        partial.extend_from_slice(bytes);
        while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = partial.drain(..=end).collect();
            let mut out = io::stdout().lock();
            let _ = write!(out, "{node}| ");
            let _ = out.write_all(&line);
            let _ = out.flush();
        }
    })
}
