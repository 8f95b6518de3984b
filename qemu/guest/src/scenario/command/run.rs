// SPDX-License-Identifier: GPL-2.0
//! `smcify run`: how it ends, what it passes on, what it leaves, and how it is at a terminal.

use super::CGROUPS;
use super::PROGRAM;
use super::json;
use super::pid;
use super::said;
use super::smcify;
use crate::diag;
use crate::kernel::until::until;
use crate::program::pair::Program;
use crate::scenario::Report;
use crate::scenario::same;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use rexpect::spawn_bash;
use serde_json::Value;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::io::BufRead;
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// How long a shell at a terminal is waited for, in milliseconds.
const PATIENCE: u64 = 60_000;

/// Fails if there is a rule, or a cgroup of `smcify run`.
fn nothing_left() -> Result<()> {
    let names = |dir: &str| -> Result<Vec<String>> {
        let entries = read_dir(dir)?.map(|it| Ok(it?.file_name().to_string_lossy().into_owned()));
        entries.collect()
    };
    let cgroups = names(CGROUPS)?;
    let left: Vec<_> = cgroups
        .iter()
        .filter(|it| it.starts_with("smcify"))
        .collect();
    ensure!(left.is_empty(), "cgroups are left: {left:?}");
    let rules = json("rule list")?;
    same("rules left", &Value::Array(vec![]), &rules["rules"])
}

/// Checks it.
pub fn run(report: &mut Report) {
    let ends = |script: &str, code: Option<i32>, signal: Option<i32>| {
        let said = said(Command::new(PROGRAM).args(["run", "--", "sh", "-c", script]))?;
        let found = (said.status.code(), said.status.signal());
        same("exit status and signal", (code, signal), found)?;
        ensure!(said.err.is_empty(), "{:?}", said.err);
        nothing_left()
    };
    report.check("exit status", ends("exit 7", Some(7), None));
    report.check("signal", ends("kill -KILL $$", None, Some(libc::SIGKILL)));
    let says = |words: &str, status: i32| {
        smcify(words)?.ends(status, &["found:", "next:"])?;
        nothing_left()
    };
    report.check("no such command", says("run -- no-such-command", 127));
    report.check("nothing to run", says("run -- /etc/passwd", 126));
    report.check("its sockets are SMC", socket_of_run(&["run"], true));
    let except = || {
        smcify("on --all --yes")?.ends(0, &[])?;
        let tcp = socket_of_run(&["run", "--tcp"], false);
        let nested = socket_of_run(&["run", "--tcp", "--", PROGRAM, "run"], true);
        smcify("off --all")?.ends(0, &[])?;
        tcp.context("--tcp")?;
        nested.context("a run inside of a run")
    };
    report.check("--tcp, and the nearest rule", except());
    report.check("signals are passed on", passed_on());
    report.check("it stops as the command does", stops());
    report.check("what is left running", leftovers());
    report.check("when smcify is killed", killed());
    report.check("amid a pipeline of a shell's", amid_a_pipeline());
    report.check("Ctrl-Z, fg and Ctrl-C at a terminal", at_a_terminal());
}

/// Has `smcify` start a server; whether its socket is SMC.
fn socket_of_run(words: &[&str], smc: bool) -> Result<()> {
    let server = [
        "--",
        "/bin/transfer",
        "server",
        "127.0.0.1:0",
        "1",
        "blocking",
    ];
    let before = diag::sockets()?.len();
    let mut program = Program::start(PROGRAM, &[words, &server].concat())?;
    let out = program.0.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    ensure!(line.contains("listening"), "the server said {line:?}");
    let there = diag::sockets()?.len() - before;
    kill(pid(&program), Signal::SIGTERM)?;
    let ended = program.0.wait()?;
    same("signal", Some(libc::SIGTERM), ended.signal())?;
    nothing_left()?;
    same("SMC sockets", usize::from(smc), there)
}

/// Starts a script by `smcify run`; returns when it has said that it is there.
fn script(text: &str) -> Result<(Program, BufReader<std::process::ChildStdout>)> {
    let text = format!("echo there; {text}");
    let mut program = Program::start(PROGRAM, &["run", "--", "bash", "-c", &text])?;
    let out = program.0.stdout.take().context("no output")?;
    let mut out = BufReader::new(out);
    let mut line = String::new();
    out.read_line(&mut line)?;
    same("the script says", "there\n", line.as_str())?;
    Ok((program, out))
}

fn passed_on() -> Result<()> {
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
    ] {
        let number = signal as i32;
        // Bash looks at traps when its child has ended, or between builtins.
        let status = 100 + number;
        let text = format!("trap 'exit {status}' {number}; echo set; while :; do sleep 0.1; done");
        let (mut program, mut out) = script(&text)?;
        let mut line = String::new();
        out.read_line(&mut line)?;
        kill(pid(&program), signal)?;
        let ended = program.0.wait()?;
        same(signal.as_str(), Some(status), ended.code())?;
    }
    nothing_left()
}

/// The state of a process, as its `stat` has it.
fn state(pid: Pid) -> Result<char> {
    let stat = read_to_string(format!("/proc/{pid}/stat"))?;
    let state = stat.rsplit(") ").next().and_then(|it| it.chars().next());
    state.context("no state")
}

fn stops() -> Result<()> {
    let (mut program, _out) = script("kill -STOP $$; exit 3")?;
    let pid = pid(&program);
    until("the stop of smcify", || Ok(state(pid)? == 'T'))?;
    kill(pid, Signal::SIGCONT)?;
    same("exit status", Some(3), program.0.wait()?.code())?;
    nothing_left()
}

fn leftovers() -> Result<()> {
    let text = "sleep 300 < /dev/null > /dev/null 2>&1 & echo $!; exit 5";
    let (mut program, mut out) = script(text)?;
    same("exit status", Some(5), program.0.wait()?.code())?;
    let mut line = String::new();
    out.read_line(&mut line)?;
    let left = Pid::from_raw(line.trim().parse().context("a process id")?);
    let cgroup = read_to_string(format!("/proc/{left}/cgroup"));
    kill(left, Signal::SIGKILL)?;
    let own = read_to_string("/proc/self/cgroup")?;
    same("the cgroup of what is left", own, cgroup?)?;
    nothing_left()
}

fn killed() -> Result<()> {
    let (mut program, _out) = script("echo $$; exec sleep 300")?;
    let name = || -> Result<String> {
        let listed = json("rule list")?;
        let name = listed["rules"][0]["name"].as_str().context("no rule")?;
        Ok(name.to_string())
    };
    let rule = name()?;
    kill(pid(&program), Signal::SIGKILL)?;
    program.0.wait()?;
    // The command goes on, and so does its rule.
    smcify("run -- true")?.ends(0, &[])?;
    same("the rule of a command that goes on", &rule, &name()?)?;
    let dir = read_dir(CGROUPS)?.find_map(|it| {
        let path = it.ok()?.path();
        path.to_string_lossy()
            .contains("smcify-run")
            .then_some(path)
    });
    let dir = dir.context("the command's cgroup is gone")?;
    std::fs::write(dir.join("cgroup.kill"), "1")?;
    until("the end of the command", || {
        let events = read_to_string(dir.join("cgroup.events"))?;
        Ok(events.contains("populated 0"))
    })?;
    smcify("run -- true")?.ends(0, &[])?;
    nothing_left()
}

/// Reads what the one before it writes, and writes for the one behind it.
fn amid_a_pipeline() -> Result<()> {
    let text = format!(
        "set -o pipefail; echo one | {PROGRAM} run -- bash -c 'read it; echo $it two; exit 9' | \
         (read it; echo $it three)"
    );
    let said = said(Command::new("bash").args(["-c", &text]))?;
    same("output", "one two three\n", said.out.as_str())?;
    said.ends(9, &[])?;
    nothing_left()
}

/// The state of the process that a shell at a terminal is told to run, stop, and go on with.
fn at_a_terminal() -> Result<()> {
    // Else it is asked to end by a signal that shells at terminals ignore, for all its patience.
    let mut shell = spawn_bash(Some(PATIENCE))?.quit_command(Some("exit".into()));
    shell.send_line(&format!(
        "{PROGRAM} run -- bash -c 'echo at $$.; exec sleep 300'"
    ))?;
    let (_, at) = shell.exp_regex("at [0-9]+\\.")?;
    let sleep = Pid::from_raw(at[3..at.len() - 1].parse().context("a process id")?);
    until("its sleep", || Ok(state(sleep)? == 'S'))?;
    shell.send_control('z')?;
    shell.exp_string("Stopped")?;
    same("state after Ctrl-Z", 'T', state(sleep)?)?;
    shell.wait_for_prompt()?;
    shell.send_line("fg")?;
    until("its sleep after fg", || Ok(state(sleep)? == 'S'))?;
    shell.send_control('c')?;
    shell.wait_for_prompt()?;
    shell.send_line("echo status $?.")?;
    let (_, status) = shell.exp_regex("status [0-9]+\\.")?;
    same("status after Ctrl-C", "status 130.", status.as_str())?;
    nothing_left()
}
