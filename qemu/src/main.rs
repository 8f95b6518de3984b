// SPDX-License-Identifier: GPL-2.0
//! The lab: boots smcify in QEMU guests, watches their kernel log, reports.

mod args;
mod bench;
mod boot;
mod check;
mod cocci;
mod compile_fail;
mod content;
mod demo;
mod expect;
mod facts;
mod ground;
mod host;
mod image;
mod interop;
mod kmod;
mod ktap;
mod lint;
mod log;
mod machine;
mod matrix;
mod page;
mod preflight;
mod proof;
mod qemu;
mod rooms;
mod run;
mod scenarios;
mod splat;
mod tally;
mod tree;
mod tsc;
mod vng;

use std::process::ExitCode;

use args::Command;
use args::Lab;
use clap::Parser;

fn main() -> ExitCode {
    let done = match Lab::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Shell(args) => run::shell(&args),
        Command::Check(args) => check::check(&args),
        Command::Cocci(args) => cocci::cocci(&args),
        Command::Demo => demo::demo(),
        Command::Proof => proof::proof(),
        Command::Interop(args) => interop::interop(&args),
        Command::Matrix(args) => matrix::matrix(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Vng(args) => vng::vng(&args),
        Command::Lint => lint::lint(),
        Command::Setup(args) => run::setup(&args),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(boot::FAILED)
        }
    }
}
