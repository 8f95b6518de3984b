// SPDX-License-Identifier: GPL-2.0
//! The `smcify` command: what becomes SMC, and what became of it.

mod args;
mod audit;
mod cgroup;
mod check;
mod connections;
mod control;
mod docs;
mod failure;
mod fixes;
mod lacks;
mod names;
mod netns;
mod output;
mod rule;
mod rules;
mod run;
mod status;
mod switch;
mod tracefs;
mod ueid;

use crate::args::Command;
use crate::args::RuleCommand;
use crate::args::Smcify;
use crate::args::Ueid;
use crate::failure::Result;
use crate::output::print;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A mistake of ours is no reason to show its insides.
    std::panic::set_hook(Box::new(|mistake| {
        eprintln!("smcify: a mistake of its own, please report it: {mistake}");
    }));
    let Smcify { json, command } = Smcify::parse();
    let done = match &command {
        Command::Run(args) => return run::run(args, json).into(),
        Command::Enter(args) => return run::enter(args, json).into(),
        other => perform(other, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure, json);
            failure.code()
        }
    }
}

fn perform(command: &Command, json: bool) -> Result<()> {
    match command {
        Command::On(args) => print(&switch::on(args)?, json),
        Command::Off(args) => print(&switch::off(args)?, json),
        Command::Rule(RuleCommand::Add { rule, action }) => {
            print(&rules::add(rule, *action)?, json)
        }
        Command::Rule(RuleCommand::Del { rule }) => print(&rules::del(rule)?, json),
        Command::Rule(RuleCommand::List) => print(&rules::list()?, json),
        Command::Status(args) => {
            let status = netns::inside(args.netns.as_deref(), status::read)?;
            print(&status, json)?;
            status.complete()
        }
        Command::Ss(args) => {
            let all = args.all;
            let found = netns::inside(args.of.netns.as_deref(), || connections::list(all))?;
            print(&found, json)
        }
        Command::Check => {
            let checked = check::run()?;
            print(&checked, json)?;
            checked.verdict()
        }
        Command::Ueid(Ueid::Add { eid }) => print(&ueid::add(eid)?, json),
        Command::Ueid(Ueid::Del { eid }) => print(&ueid::del(eid)?, json),
        Command::Ueid(Ueid::List) => print(&ueid::list()?, json),
        Command::Audit(args) => print(&audit::run(args, json)?, json),
        Command::Completions { shell } => docs::completions(*shell),
        Command::Man { dir } => docs::man(dir),
        // Both end as another program does; see main().
        Command::Run(_) | Command::Enter(_) => Ok(()),
    }
}
