// SPDX-License-Identifier: GPL-2.0
//! The command line: what can be typed. Its comments are the help and the man pages.

use crate::rule::Action;
use clap::ArgGroup;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueHint;
use clap_complete::Shell;
use ipnet::IpNet;
use std::path::PathBuf;

const EXIT: &str = "\
Exit status:
  0  done; of `check`: ready
  1  the kernel refused, or something else failed: the message says what
  2  the command line makes no sense
  3  the module smcify is not loaded, or SMC is not
  4  not allowed: this takes root
  5  something that was named is not there: a rule, user, cgroup, namespace
  6  `check` found something that keeps SMC from working
  7  `on --all` without --yes, where the kernel lacks fixes: see `smcify check`
`smcify run` ends as CMD did: with its status, or by the same signal. Its own
are 125 (smcify failed), 126 (CMD cannot be run) and 127 (there is no CMD).";

const RUN: &str = "\
CMD runs in a cgroup of its own below that of smcify, with a rule for it. The \
nearest rule wins: a `run` inside of a `run` decides for itself.

SIGINT, TERM, HUP, QUIT, USR1, USR2, WINCH and TSTP that others send to smcify are \
passed on; those that the terminal sends reach CMD by themselves. When CMD \
stops, smcify stops; when smcify is continued, CMD is.

When CMD has ended, rule and cgroup are gone. What CMD has left running goes on \
in the cgroup that smcify was started in, under the rules that hold there; its \
sockets stay what they are. For a service that goes into the background, make \
a rule for its cgroup instead.

If smcify is killed, CMD goes on with its rule. What is left when CMD has ended \
does no harm, and the next `smcify run` takes it away.";

const RULE: &str = "\
A rule says who gets SMC (--cgroup, --container, --comm, --user, --netns; one \
of them), or where it is offered (--src, --dst, --port, --dev; all given must \
hold). Who: the most specific rule decides, cgroup (the nearest one) before \
comm, user, netns and the default. Where: the longest --dst decides, then \
--src, --port, --dev; without a rule SMC is offered.

--src is the side that connects, --dst and --port the side that listens, on \
both hosts, so that one rule serves both. --dev is the local device that \
packets leave by.";

/// Choose which TCP sockets become SMC sockets, and see what became of them.
#[derive(Debug, Parser)]
#[command(name = "smcify", version, after_help = EXIT, after_long_help = EXIT)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Smcify {
    /// Print JSON, and errors as JSON on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make new TCP sockets SMC, in this network namespace.
    On(On),
    /// Make new TCP sockets TCP again; SMC sockets that exist stay SMC.
    Off(Switch),
    /// Run CMD, and only CMD, with SMC; or without.
    #[command(after_long_help = RUN)]
    Run(Run),
    /// Add, remove and list rules.
    #[command(subcommand, after_long_help = RULE)]
    Rule(RuleCommand),
    /// Show rules, what they chose, how connections fare, why some fell back to TCP.
    Status(InNetns),
    /// List connections: SMC-D, SMC-R, or TCP after a fallback and why.
    Ss(Ss),
    /// Say whether this machine is ready for SMC, and what to do about it.
    Check,
    /// Add, remove and list user EIDs: both hosts need one in common, but for mainframes.
    #[command(subcommand)]
    Ueid(Ueid),
    /// Watch who still asks for the socket option TCP_ULP "smc".
    Audit(Audit),
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the man pages.
    Man {
        /// Where to.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Enter a cgroup and become CMD: the second half of `run`.
    #[command(hide = true)]
    Enter(Enter),
}

#[derive(Args, Debug)]
pub struct On {
    #[command(flatten)]
    pub switch: Switch,
    /// Even if any peer or user reaches bugs of SMC that this kernel has: see `smcify check`.
    #[arg(long, requires = "all")]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Switch {
    /// Everywhere, but for what has a rule of its own.
    #[arg(long, conflicts_with = "netns")]
    pub all: bool,
    /// In this network namespace instead: a name of `ip netns`, or a path.
    #[arg(long, value_name = "NAME")]
    pub netns: Option<String>,
}

#[derive(Args, Debug)]
pub struct InNetns {
    /// Of this network namespace instead: a name of `ip netns`, or a path.
    #[arg(long, value_name = "NAME")]
    pub netns: Option<String>,
}

#[derive(Args, Debug)]
pub struct Run {
    /// Without SMC, where it is the default.
    #[arg(long)]
    pub tcp: bool,
    /// What to run.
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Args, Debug)]
pub struct Enter {
    /// Its directory.
    #[arg(long)]
    pub cgroup: PathBuf,
    /// Signals to let through, by number.
    #[arg(long, value_delimiter = ',')]
    pub unblock: Vec<i32>,
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Add a rule, or change the action of one.
    Add {
        #[command(flatten)]
        rule: Selector,
        /// What follows: smc or tcp. Without it smc for who, tcp for where.
        #[arg(long, value_name = "smc|tcp")]
        action: Option<Action>,
    },
    /// Remove a rule; sockets that exist stay what they are.
    Del {
        #[command(flatten)]
        rule: Selector,
    },
    /// List the rules, with what each has decided so far.
    List,
}

/// Which rule. One who, or some where.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("rule").required(true).multiple(true)
    .args(["name", "cgroup", "container", "comm", "user", "netns", "src", "dst", "port", "dev"]))]
#[command(group = ArgGroup::new("who").args(["name", "cgroup", "container", "comm", "user", "netns"])
    .conflicts_with("where"))]
#[command(group = ArgGroup::new("where").multiple(true).args(["src", "dst", "port", "dev"]))]
pub struct Selector {
    /// A rule as the kernel names it, such as cgroup:4711: what `rule list --json` shows.
    #[arg(value_name = "RULE")]
    pub name: Option<String>,
    /// Who: programs in this cgroup and below, such as system.slice/nginx.service.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Who: a container, by its id, its cgroup, or the id of one of its processes.
    #[arg(long, value_name = "ID|PATH|PID")]
    pub container: Option<String>,
    /// Who: threads of this name, 15 bytes at most: mostly, but not always, the program's.
    #[arg(long, value_name = "NAME")]
    pub comm: Option<String>,
    /// Who: programs of this user, by name or number.
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Who: programs in this network namespace: a name of `ip netns`, a path, or `self`.
    #[arg(long, value_name = "NAME")]
    pub netns: Option<String>,
    /// Where: connections from this address or network, such as 10.0.0.0/8.
    #[arg(long, value_name = "PREFIX", value_parser = crate::rule::prefix)]
    pub src: Option<IpNet>,
    /// Where: connections to this address or network, such as 2001:db8::/32.
    #[arg(long, value_name = "PREFIX", value_parser = crate::rule::prefix)]
    pub dst: Option<IpNet>,
    /// Where: connections to this port.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Where: packets that leave by this network device.
    #[arg(long, value_name = "NAME")]
    pub dev: Option<String>,
}

#[derive(Args, Debug)]
pub struct Ss {
    /// Sockets that listen or are not connected as well.
    #[arg(long, short)]
    pub all: bool,
    #[command(flatten)]
    pub of: InNetns,
}

#[derive(Debug, Subcommand)]
pub enum Ueid {
    /// Add one: A to Z, 0 to 9, '.' and '-'; 32 bytes at most.
    Add { eid: String },
    /// Remove one.
    Del { eid: String },
    /// List them.
    List,
}

#[derive(Args, Debug)]
pub struct Audit {
    /// End after so many seconds; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parsed(words: &str) -> Result<Smcify, ErrorKind> {
        Smcify::try_parse_from(words.split(' ')).map_err(|e| e.kind())
    }

    #[test]
    fn the_command_line_is_sound() {
        Smcify::command().debug_assert();
    }

    #[test]
    fn json_goes_with_everything() {
        for words in [
            "on",
            "rule list",
            "status",
            "ss",
            "check",
            "ueid list",
            "audit",
        ] {
            let all = parsed(&format!("smcify {words} --json")).expect("a command");
            assert!(all.json, "{words}");
        }
    }

    #[test]
    fn who_and_where_do_not_mix() {
        assert!(parsed("smcify rule add --dst 10.0.0.0/8 --port 443").is_ok());
        let mixed = parsed("smcify rule add --user redis --port 443");
        assert_eq!(mixed.err(), Some(ErrorKind::ArgumentConflict));
        let two = parsed("smcify rule add --user redis --comm redis");
        assert_eq!(two.err(), Some(ErrorKind::ArgumentConflict));
        let none = parsed("smcify rule add");
        assert_eq!(none.err(), Some(ErrorKind::MissingRequiredArgument));
    }

    #[test]
    fn host_bits_and_port_0_are_refused() {
        let host = parsed("smcify rule add --dst 10.0.0.1/8");
        assert_eq!(host.err(), Some(ErrorKind::ValueValidation));
        let zero = parsed("smcify rule add --port 0");
        assert_eq!(zero.err(), Some(ErrorKind::ValueValidation));
    }

    #[test]
    fn yes_is_about_all() {
        assert!(parsed("smcify on --all --yes").is_ok());
        let here = parsed("smcify on --yes");
        assert_eq!(here.err(), Some(ErrorKind::MissingRequiredArgument));
    }

    #[test]
    fn what_follows_the_dashes_is_the_command() {
        let Command::Run(run) = parsed("smcify run --tcp -- ip --json link")
            .expect("a command")
            .command
        else {
            panic!("`run` was asked for");
        };
        assert!(run.tcp && run.command.len() == 3);
    }
}
