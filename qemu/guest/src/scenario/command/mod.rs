// SPDX-License-Identifier: GPL-2.0
//! The `smcify` command, driven as a user would: what it does, prints, and how it ends.

mod check;
pub mod lacks;
pub mod migration;
mod run;

use super::Report;
use super::creation::switch::IPPROTO_SMC;
use super::creation::switch::IPPROTO_TCP;
use super::creation::switch::open;
use super::same;
use crate::kernel::facts::kernel;
use crate::kernel::smc::UEID;
use crate::kernel::ulp;
use crate::kernel::until::until;
use crate::program::pair::Program;
use crate::smcify::CONFIG;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::Value;
use socket2::Socket;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;

pub use check::checked;

const PROGRAM: &str = "/bin/smcify";
const CGROUPS: &str = "/sys/fs/cgroup";
const TRACING: &str = "/sys/kernel/tracing";

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    report.group("without the module", without_module);
    let _smcify = Smcify::load()?;
    report.group("rules", rules);
    report.group("connections", connections);
    report.group("check", check::run);
    report.group("audit", audits);
    // The rest is the same on every kernel.
    if kernel()? == "fixed" {
        report.check("a plain user is told so", plain_user());
        report.check("a mistake in the command line", mistakes());
        report.group("on and off", switches);
        report.group("run", run::run);
        report.group("user EIDs", ueids);
        report.check("a reader that has gone is no error", closed_pipe());
        report.check("completions and man pages", docs());
    }
    Ok(())
}

/// What a command said, and how it ended.
pub struct Said {
    status: ExitStatus,
    out: String,
    err: String,
}

pub fn smcify(words: &str) -> Result<Said> {
    said(Command::new(PROGRAM).args(words.split(' ')))
}

fn said(command: &mut Command) -> Result<Said> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    Ok(Said {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Said {
    /// Fails unless it ended like this, and said on standard error what it ought to.
    fn ends(&self, status: i32, err: &[&str]) -> Result<()> {
        let found = (self.status.code(), &self.err);
        ensure!(
            found.0 == Some(status),
            "ended with {found:?}, not {status}"
        );
        for part in err {
            ensure!(self.err.contains(part), "no {part:?} in {:?}", self.err);
        }
        ensure!(
            status != 0 || self.err.is_empty(),
            "an error message after all: {:?}",
            self.err
        );
        ensure!(!self.err.contains("panicked"), "{:?}", self.err);
        Ok(())
    }

    /// What it printed as JSON; it must have ended well.
    fn json(&self) -> Result<Value> {
        self.ends(0, &[])?;
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {:?}", self.out))
    }
}

pub fn json(words: &str) -> Result<Value> {
    smcify(&format!("{words} --json"))?.json()
}

fn without_module(report: &mut Report) {
    let told = [
        "cannot",
        "found: the module smcify is not loaded",
        "next:  modprobe smcify",
    ];
    let check = |words: &str| smcify(words)?.ends(3, &told);
    for words in [
        "on",
        "off --all",
        "rule list",
        "rule add --user root",
        "status",
    ] {
        report.check(words, check(words));
    }
    let run = || smcify("run -- true")?.ends(125, &told);
    report.check("run", run());
    let status = || {
        let said = smcify("status")?;
        ensure!(said.out.contains("SMC-D"), "what is known: {:?}", said.out);
        let json: Value = serde_json::from_str(&smcify("status --json")?.out)?;
        ensure!(json["smc"]["smcd"]["client"].is_u64(), "SMC's part: {json}");
        same("smcify's part", &Value::Null, &json["smcify"])
    };
    report.check("status shows what is known", status());
    let error = || {
        let error: Value = serde_json::from_str(&smcify("on --json")?.err)?;
        same("kind", &Value::from("not-loaded"), &error["kind"])?;
        same("next", &Value::from("modprobe smcify"), &error["next"])
    };
    report.check("an error as JSON", error());
}

fn plain_user() -> Result<()> {
    for words in [
        "on --all",
        "ueid add X",
        "audit --for 1",
        "rule add --user root",
    ] {
        let said = said(
            Command::new(PROGRAM)
                .args(words.split(' '))
                .uid(1000)
                .gid(1000),
        )?;
        said.ends(4, &["user id 1000", &format!("next:  sudo smcify {words}")])
            .with_context(|| words.to_string())?;
    }
    let said = said(Command::new(PROGRAM).args(["rule", "list"]).uid(1000))?;
    said.ends(0, &[])
}

fn mistakes() -> Result<()> {
    for (words, status, told) in [
        ("rule add --dst 10.1.2.3/8", 2, "10.0.0.0/8"),
        ("rule add --user root --port 443", 2, "cannot be used with"),
        ("rule add --comm a-name-of-16-byt", 2, "15"),
        ("rule add colour:red", 2, "colour"),
        ("rule add --user no-such-user", 5, "getent passwd"),
        ("rule add --cgroup no/such", 5, "/sys/fs/cgroup/no/such"),
        ("rule add --container 0123456789ab", 5, "docker inspect"),
        ("rule add --netns nowhere", 5, "/run/netns/nowhere"),
        ("rule del --user root", 5, "smcify rule list"),
    ] {
        let said = smcify(words)?;
        said.ends(status, &[told])
            .with_context(|| words.to_string())?;
    }
    let left = json("rule list")?;
    same("rules left behind", &Value::Array(vec![]), &left["rules"])
}

/// What a new socket is.
fn protocol() -> Result<i32> {
    let socket = open(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    Ok(socket.protocol()?.map_or(0, i32::from))
}

fn becomes(words: &str, expected: i32) -> Result<()> {
    smcify(words)?.ends(0, &[])?;
    same("a new socket's protocol", expected, protocol()?)
}

fn switches(report: &mut Report) {
    for (words, expected) in [
        ("on", IPPROTO_SMC),
        ("off", IPPROTO_TCP),
        ("on --all --yes", IPPROTO_SMC),
        ("off", IPPROTO_TCP),
        ("on", IPPROTO_SMC),
        ("off --all", IPPROTO_SMC),
        ("off", IPPROTO_TCP),
    ] {
        report.check(words, becomes(words, expected));
    }
    let except = || {
        smcify("rule add --user root --action tcp")?.ends(0, &[])?;
        let said = smcify("on --all --yes")?;
        ensure!(said.out.contains("tcp --user root"), "{:?}", said.out);
        same("a new socket's protocol", IPPROTO_TCP, protocol()?)?;
        smcify("rule del --user root")?.ends(0, &[])?;
        becomes("off --all", IPPROTO_TCP)
    };
    report.check("on says what rules except", except());
    let clean = || same("rules", &Value::Array(vec![]), &json("rule list")?["rules"]);
    report.check("no rule is left", clean());
}

fn rules(report: &mut Report) {
    let own = format!("{CGROUPS}/lab-command");
    let made = std::fs::create_dir(&own).context("a cgroup");
    report.check("a cgroup to make rules for", made);
    for words in [
        "--cgroup lab-command",
        "--comm redis-server",
        "--user root",
        "--user 4711",
        "--netns self",
    ] {
        report.check(words, round_trip(words));
    }
    report.check("hits are counted", hits());
    report.check("an action can be changed", changed());
    let container = || {
        smcify("rule add --container lab-comma")?.ends(0, &[])?;
        let listed = json("rule list")?;
        let shown = Value::from("--cgroup lab-command");
        same("the rule is for", &shown, &listed["rules"][0]["for"])?;
        smcify("rule del --container lab-comma")?.ends(0, &[])
    };
    report.check("--container", container());
    let process = || {
        let added = json(&format!("rule add --container {}", std::process::id()))?;
        smcify("rule del --cgroup /")?.ends(0, &[])?;
        same("the rule", &Value::from("cgroup:1"), &added["rule"])
    };
    report.check("--container by a process", process());
    report.check("--netns by name", netns());
    let gone = || {
        smcify("rule add --cgroup lab-command")?.ends(0, &[])?;
        std::fs::remove_dir(&own)?;
        let listed = json("rule list")?;
        let rule = &listed["rules"][0];
        ensure!(rule["for"].to_string().contains("gone"), "{rule}");
        let name = rule["name"].as_str().context("a name")?.to_string();
        smcify(&format!("rule del {name}"))?.ends(0, &[])
    };
    report.check("a rule for a cgroup that has gone", gone());
    report.check("where", places());
}

fn round_trip(words: &str) -> Result<()> {
    let added = json(&format!("rule add {words}"))?;
    same("change", &Value::from("new"), &added["change"])?;
    same("action", &Value::from("smc"), &added["action"])?;
    let name = added["rule"].as_str().context("a name")?;
    ensure!(Path::new(CONFIG).join(name).is_dir(), "{name} is not there");
    let listed = json("rule list")?;
    same("listed as", &added["rule"], &listed["rules"][0]["name"])?;
    let shown = listed["rules"][0]["for"].as_str().unwrap_or_default();
    same("shown as", words, shown)?;
    smcify(&format!("rule del {words}"))?.ends(0, &[])?;
    ensure!(
        !Path::new(CONFIG).join(name).exists(),
        "{name} is still there"
    );
    Ok(())
}

fn hits() -> Result<()> {
    smcify("rule add --user root")?.ends(0, &[])?;
    for _ in 0..3 {
        same("a new socket's protocol", IPPROTO_SMC, protocol()?)?;
    }
    let counted = json("rule list")?;
    smcify("rule del --user root")?.ends(0, &[])?;
    same("hits", &Value::from(3), &counted["rules"][0]["hits"])
}

fn changed() -> Result<()> {
    smcify("rule add --user root")?.ends(0, &[])?;
    let again = json("rule add --user root --action tcp")?;
    same("change", &Value::from("changed"), &again["change"])?;
    let again = json("rule add --user root --action tcp")?;
    same("change", &Value::from("unchanged"), &again["change"])?;
    same("a new socket's protocol", IPPROTO_TCP, protocol()?)?;
    smcify("rule del --user root")?.ends(0, &[])
}

/// A namespace of `ip netns`, from outside and from inside.
fn netns() -> Result<()> {
    let ip = |words: &str| said(Command::new("ip").args(words.split(' ')));
    ip("netns add blue")?.ends(0, &[])?;
    let inside = || {
        smcify("on --netns blue")?.ends(0, &[])?;
        same("a new socket outside", IPPROTO_TCP, protocol()?)?;
        let listed = json("rule list")?;
        let name = Value::from("--netns blue");
        same("shown outside", &name, &listed["rules"][0]["for"])?;
        let exec = ip(&format!("netns exec blue {PROGRAM} on"))?;
        exec.ends(3, &["mount -t configfs", "--netns NAME"])?;
        let list = ["--net=/run/netns/blue", PROGRAM, "rule", "list", "--json"];
        let listed = said(Command::new("nsenter").args(list))?.json()?;
        let name = Value::from("--netns self");
        same("shown inside", &name, &listed["rules"][0]["for"])?;
        // The shell opens a socket of its own there.
        let connect = "netns exec blue bash -c :</dev/tcp/127.0.0.1/9";
        ensure!(
            !ip(connect)?.status.success(),
            "somebody listens in an empty namespace"
        );
        let listed = json("rule list")?;
        same("hits", &Value::from(1), &listed["rules"][0]["hits"])?;
        json("ss --netns blue").map(drop)
    };
    let done = inside();
    let off = smcify("off --netns blue");
    ip("netns del blue")?.ends(0, &[])?;
    done?;
    off?.ends(0, &[])?;
    same("rules", &Value::Array(vec![]), &json("rule list")?["rules"])
}

/// Rules about the handshake, where the kernel has the hook; else the reason why not.
fn places() -> Result<()> {
    let mixed = smcify("rule add --src 127.0.1.0/24 --dst 2001:db8::/32")?;
    mixed.ends(2, &["IPv4", "IPv6"])?;
    let words = "--src 127.0.1.0/24 --dst 127.0.2.1/32 --port 443 --dev lo";
    let state = read_to_string(Path::new(CONFIG).join("handshake")).unwrap_or_default();
    if state.is_empty() || state.trim() == "absent" {
        let told = ["Linux 6.19", "--cgroup"];
        return smcify(&format!("rule add {words}"))?.ends(1, &told);
    }
    let added = json(&format!("rule add {words}"))?;
    let name = "src:127.0.1.0:24,dst:127.0.2.1:32,port:443,dev:lo";
    same("name", &Value::from(name), &added["rule"])?;
    same("action", &Value::from("tcp"), &added["action"])?;
    let listed = json("rule list")?;
    same("shown as", &Value::from(words), &listed["rules"][0]["for"])?;
    smcify(&format!("rule del {words}"))?.ends(0, &[])
}

fn pid(program: &Program) -> Pid {
    Pid::from_raw(program.0.id() as i32)
}

fn connections(report: &mut Report) {
    report.check("one over SMC-D", smcd());
    report.check("one that fell back", fallback());
}

/// A listener, with the command's view of it; and a client of it.
fn connected(listener: &Socket) -> Result<(Socket, Socket, SocketAddr)> {
    let address = listener.local_addr()?;
    let client = open(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    client.connect(&address)?;
    let (server, _) = listener.accept()?;
    let port = client.local_addr()?.as_socket().context("no address")?;
    Ok((server, client, port))
}

fn listener() -> Result<Socket> {
    let listener = open(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    listener.listen(1)?;
    Ok(listener)
}

/// What `smcify ss` says of the socket with this address of its own.
fn of_socket(local: SocketAddr) -> Result<Value> {
    let listed = json("ss")?;
    let all = listed["sockets"].as_array().context("no list")?;
    let mine = all.iter().find(|it| it["local"] == local.to_string());
    mine.cloned()
        .with_context(|| format!("{local} is not among {listed}"))
}

fn smcd() -> Result<()> {
    smcify("on")?.ends(0, &[])?;
    let listener = listener()?;
    let (server, client, port) = connected(&listener)?;
    let shown = of_socket(port);
    let at = listener.local_addr()?.as_socket().context("no address")?;
    let accepted = of_socket(at);
    let all = json("ss --all");
    let status = json("status");
    let table = smcify("ss");
    drop((server, client));
    smcify("off")?.ends(0, &[])?;
    let shown = shown?;
    same("carrier", &Value::from("smcd"), &shown["carrier"])?;
    same("peer", &Value::from(at.to_string()), &shown["peer"])?;
    same(
        "peer of the other side",
        &Value::from(port.to_string()),
        &accepted?["peer"],
    )?;
    let me = Value::from(std::process::id());
    same("process", &me, &shown["processes"][0]["pid"])?;
    let all = all?;
    let listens = |it: &Value| it["state"] == "listen" && it["local"] == at.to_string();
    let there = all["sockets"]
        .as_array()
        .is_some_and(|it| it.iter().any(listens));
    ensure!(there, "no listener at {at} in {all}");
    let status = status?;
    same("open", &Value::from(2), &status["smc"]["open"]["smcd"])?;
    let smcify = &status["smcify"];
    for selected in [&smcify["sockets"][0]["selected"], &smcify["open"]] {
        ensure!(selected.as_u64() >= Some(2), "{status}");
    }
    let table = table?.out;
    ensure!(
        table.contains("SMC-D") && table.contains("guest/"),
        "{table}"
    );
    Ok(())
}

fn fallback() -> Result<()> {
    let listener = listener()?;
    smcify("on")?.ends(0, &[])?;
    let (_server, _client, port) = connected(&listener)?;
    let shown = of_socket(port);
    let status = json("status");
    smcify("off")?.ends(0, &[])?;
    let shown = shown?;
    same("carrier", &Value::from("tcp"), &shown["carrier"])?;
    same(
        "reason",
        &Value::from("PEERNOSMC"),
        &shown["reason"]["name"],
    )?;
    let status = status?;
    let reasons = status["smc"]["fallbacks"]["reasons"].as_array();
    let told = |it: &Value| {
        it["name"] == "PEERNOSMC" && it["side"] == "client" && it["count"].as_u64() >= Some(1)
    };
    ensure!(reasons.is_some_and(|it| it.iter().any(told)), "{status}");
    Ok(())
}

fn ueids(report: &mut Report) {
    let there = |expected: &[&str]| {
        same(
            "user EIDs",
            &Value::from(expected),
            &json("ueid list")?["ueids"],
        )
    };
    let round = || {
        there(&[UEID])?;
        smcify("ueid add OTHER.1")?.ends(0, &[])?;
        there(&[UEID, "OTHER.1"])?;
        smcify("ueid del OTHER.1")?.ends(0, &[])?;
        there(&[UEID])
    };
    report.check("add, list, del", round());
    let errors = || {
        smcify("ueid add lower")?.ends(2, &["'l'", "next:"])?;
        smcify(&format!("ueid add {UEID}"))?.ends(1, &["already", "smcify ueid list"])?;
        smcify("ueid del NONE")?.ends(5, &["none", "smcify ueid list"])?;
        for name in ["A", "B", "C"] {
            smcify(&format!("ueid add {name}"))?.ends(0, &[])?;
        }
        let full = smcify("ueid add D")?;
        for name in ["A", "B", "C"] {
            smcify(&format!("ueid del {name}"))?.ends(0, &[])?;
        }
        full.ends(1, &["4", "smcify ueid del"])
    };
    report.check("errors", errors());
}

fn audits(report: &mut Report) {
    let nothing_left = || {
        let events = read_to_string(format!("{TRACING}/kprobe_events"))?;
        ensure!(!events.contains("smcify_"), "events are left: {events}");
        let left = read_dir(format!("{TRACING}/instances"))?.count();
        same("instances", 0, left)
    };
    let audit = |words: &[&str], end: Option<Signal>| -> Result<Value> {
        let words = [&["audit", "--json"], words].concat();
        let mut program = Program::start(PROGRAM, &words)?;
        until("the probe", || {
            let instance = format!("{TRACING}/instances/smcify_{}", program.0.id());
            let event = format!(
                "{instance}/events/smcify_{}/tcp_set_ulp/enable",
                program.0.id()
            );
            Ok(read_to_string(event).is_ok_and(|it| it.trim() == "1"))
        })?;
        for _ in 0..3 {
            let _ = ulp::ask(&open(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_TCP)?);
        }
        if let Some(signal) = end {
            kill(pid(&program), signal)?;
        }
        let out = program.0.stdout.take().context("no output")?;
        let seen = serde_json::from_reader(out).context("no JSON")?;
        same("exit status", Some(0), program.0.wait()?.code())?;
        nothing_left()?;
        Ok(seen)
    };
    let me = |seen: Value| {
        let [one] = seen["asked"].as_array().context("no list")?.as_slice() else {
            anyhow::bail!("not one program: {seen}");
        };
        same("pid", &Value::from(std::process::id()), &one["pid"])?;
        same("count", &Value::from(3), &one["count"])?;
        same("program", &Value::from("/usr/bin/guest"), &one["program"])
    };
    report.check("for a while", audit(&["--for", "2"], None).and_then(me));
    let interrupted = audit(&[], Some(Signal::SIGINT));
    report.check("until Ctrl-C", interrupted.and_then(me));
}

fn closed_pipe() -> Result<()> {
    for words in ["check", "completions bash", "--help"] {
        let mut command = Command::new("bash");
        command.arg("-c");
        command.arg(format!(
            "set -o pipefail; (sleep 0.2; exec {PROGRAM} {words}) | true"
        ));
        said(command.stdin(Stdio::null()))?.ends(0, &[])?;
    }
    Ok(())
}

fn docs() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let said = smcify(&format!("completions {shell}"))?;
        said.ends(0, &[])?;
        ensure!(said.out.contains("ueid"), "{shell}: {:?}", said.out);
    }
    let dir = "/tmp/man";
    smcify(&format!("man {dir}"))?.ends(5, &["mkdir -p /tmp/man"])?;
    std::fs::create_dir(dir)?;
    smcify(&format!("man {dir}"))?.ends(0, &[])?;
    let page = read_to_string(format!("{dir}/smcify-run.1"))?;
    ensure!(page.contains("SIGINT"), "{page}");
    Ok(())
}
