// SPDX-License-Identifier: GPL-2.0
//! The lab: boots smcify in QEMU guests, watches their kernel log, reports.

mod args;
mod boot;
mod content;
mod ground;
mod image;
mod kmod;
mod log;
mod machine;
mod qemu;
mod run;
mod splat;
mod tree;

use std::process::ExitCode;

use args::Command;
use args::Lab;
use clap::Parser;

fn main() -> ExitCode {
    let done = match Lab::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Shell(args) => run::shell(&args),
        _ => todo!(),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(boot::FAILED)
        }
    }
}
