// SPDX-License-Identifier: GPL-2.0
//! `smcify check`: whether this machine is ready, line by line, and what to do about each.

use crate::control::Control;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::Result;
use crate::fixes;
use crate::output::Shown;
use crate::output::bare_table;
use crate::output::coloured;
use crate::output::lines;
use comfy_table::Cell;
use comfy_table::Color;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::net::if_::if_nametoindex;
use nix::sys::utsname::uname;
use procfs::ConfigSetting;
use serde::Serialize;
use smc_netlink::diag;
use smc_netlink::smc;
use smc_netlink::smc::Device;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::read_to_string;
use std::path::Path;

const IPPROTO_SMC: i32 = 256;
/// Who decides where SMC is offered, on kernels that can be told.
const SYSCTL: &str = "/proc/sys/net/smc/hs_ctrl";

/// How a thing is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Just so that one knows.
    Note,
    /// Something will not work.
    Warning,
    /// SMC will not work.
    Bad,
}

/// One thing.
#[derive(Debug, PartialEq, Serialize)]
struct Line {
    what: String,
    state: State,
    found: String,
    /// What to do about it; nothing if there is no need.
    next: Option<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
pub struct Checked {
    ready: bool,
    lines: Vec<Line>,
}

fn line(what: &str, state: State, found: impl Into<String>, next: &str) -> Line {
    Line {
        what: what.into(),
        state,
        found: found.into(),
        next: (!next.is_empty()).then(|| next.into()),
    }
}

fn good(what: &str, found: impl Into<String>) -> Line {
    line(what, State::Good, found, "")
}

/// Looks at everything.
pub fn run() -> Result<Checked> {
    let release = uname().map(|it| it.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let control = Control::find();
    let mut lines = vec![good("kernel", format!("Linux {release}"))];
    lines.extend(options(&release));
    lines.push(module(control.as_ref())?);
    // All that follows asks SMC itself.
    let devices = match smc::ueids() {
        Ok(ueids) => {
            lines.push(good("smc", "loaded"));
            lines.push(protocol());
            lines.push(diagnosis());
            let devices = Devices::read();
            lines.extend(devices.lines());
            lines.push(eid(&ueids, smc::seid().ok().flatten()));
            Some(devices)
        }
        Err(_) => {
            lines.push(line("smc", State::Bad, "not loaded", "modprobe smc"));
            None
        }
    };
    if let Some(devices) = &devices {
        lines.extend(devices.egress());
    }
    lines.push(handshake(control.as_ref())?);
    lines.extend(bugs(control.as_ref(), &release)?);
    Ok(Checked {
        ready: lines.iter().all(|it| it.state != State::Bad),
        lines,
    })
}

impl Checked {
    /// An error, if it is not ready.
    pub fn verdict(&self) -> Result<()> {
        if self.ready {
            return Ok(());
        }
        let bad = self.lines.iter().filter(|it| it.state == State::Bad);
        let (mut whats, mut nexts) = (Vec::new(), Vec::new());
        for it in bad {
            whats.push(it.what.as_str());
            nexts.extend(it.next.as_deref());
        }
        Err(Failure::new(
            Kind::NotReady,
            "use SMC on this machine as it is",
            format!("not in order: {}", whats.join(", ")),
            nexts.join("\n"),
        ))
    }
}

/// An option of the kernel's, and what is amiss without it.
type Option_ = (&'static str, State, &'static str);

const OPTIONS: [Option_; 12] = [
    ("SMC", State::Bad, "there is no SMC"),
    ("RUST", State::Bad, "the module cannot be built"),
    ("MODULES", State::Bad, "the module cannot be loaded"),
    ("CONFIGFS_FS", State::Bad, "the module cannot be loaded"),
    (
        "DYNAMIC_FTRACE_WITH_ARGS",
        State::Bad,
        "the module cannot be loaded",
    ),
    ("FPROBE", State::Bad, "the module cannot be loaded"),
    ("KPROBES", State::Bad, "the module cannot be loaded"),
    ("CGROUPS", State::Bad, "the module cannot be built"),
    ("NET_NS", State::Bad, "the module cannot be built"),
    ("SMC_DIAG", State::Warning, "no smcify ss"),
    ("KPROBE_EVENTS", State::Warning, "no smcify audit"),
    ("INFINIBAND", State::Warning, "no SMC-R"),
];

/// The kernel's options.
fn options(release: &str) -> Vec<Line> {
    let what = "kernel options";
    match procfs::kernel_config() {
        Ok(config) => judged(&config, release),
        Err(_) => vec![line(
            what,
            State::Note,
            format!("unknown: neither /proc/config.gz nor /boot/config-{release}"),
            "",
        )],
    }
}

fn judged(config: &HashMap<String, ConfigSetting>, release: &str) -> Vec<Line> {
    let what = "kernel options";
    let has = |name: &str| {
        let setting = config.get(&format!("CONFIG_{name}"));
        matches!(setting, Some(ConfigSetting::Yes | ConfigSetting::Module))
    };
    // By what is amiss, the worst first.
    let mut missing: BTreeMap<(State, &str), Vec<String>> = BTreeMap::new();
    for (name, state, amiss) in OPTIONS.iter().filter(|(name, _, _)| !has(name)) {
        let names = missing.entry((*state, amiss)).or_default();
        names.push(format!("CONFIG_{name}"));
    }
    let mut lines: Vec<Line> = missing
        .into_iter()
        .rev()
        .map(|((state, amiss), names)| {
            let found = format!("{amiss}: {} is not set", names.join(", "));
            let next = match state {
                State::Note => "",
                _ => "a kernel that has it",
            };
            line(what, state, found, next)
        })
        .collect();
    if !has("SMC_HS_CTRL_BPF") {
        let found =
            "no rules by where (--src, --dst, --port, --dev): CONFIG_SMC_HS_CTRL_BPF is not set";
        let next = match version(release) >= Some((6, 19)) {
            true => "a kernel that has it; or rules by who",
            false => "Linux 6.19 or later; or rules by who",
        };
        lines.push(line(what, State::Note, found, next));
    }
    if lines.is_empty() {
        lines.push(good(what, "all that is needed is set"));
    }
    lines
}

/// The module.
fn module(control: Option<&Control>) -> Result<Line> {
    let what = "smcify";
    Ok(match control {
        Some(control) => {
            let (version, default) = (control.read("version")?, control.default()?);
            let rules = control.rules()?.len();
            let rules = crate::output::count(rules, "rule");
            good(
                what,
                format!("{version} loaded, default {default}, {rules}"),
            )
        }
        None => {
            let found = "not loaded: programs get SMC only if they ask for it themselves";
            line(what, State::Bad, found, "modprobe smcify")
        }
    })
}

/// Whether a program can have an SMC socket.
fn protocol() -> Line {
    let what = "IPPROTO_SMC";
    let protocol = Some(Protocol::from(IPPROTO_SMC));
    match Socket::new(Domain::IPV4, Type::STREAM, protocol) {
        Ok(_) => good(what, "sockets can be had"),
        Err(e) => {
            let next = "Linux 6.11 or later; an LSM may refuse it too: ausearch -m avc";
            line(what, State::Bad, format!("no socket: {e}"), next)
        }
    }
}

fn diagnosis() -> Line {
    let what = "smc_diag";
    match diag::sockets() {
        Ok(_) => good(what, "loaded"),
        Err(_) => line(
            what,
            State::Warning,
            "not loaded: no smcify ss",
            "modprobe smc_diag",
        ),
    }
}

/// What SMC can run on.
struct Devices {
    /// Whether SMC-D has any device of version 2.
    v2: bool,
    smcd: Vec<Device>,
    smcr: Vec<Device>,
    /// Network devices that are up, and can reach others.
    links: Vec<(String, u32)>,
}

impl Devices {
    fn read() -> Self {
        let up = InterfaceFlags::IFF_UP;
        let mut links: Vec<_> = getifaddrs()
            .into_iter()
            .flatten()
            .filter(|it| it.flags.contains(up) && !it.flags.contains(InterfaceFlags::IFF_LOOPBACK))
            .map(|it| it.interface_name)
            .collect();
        links.sort();
        links.dedup();
        let index = |name: String| {
            let index = if_nametoindex(name.as_str()).unwrap_or(0);
            (name, index)
        };
        Self {
            v2: smc::has_smcd_v2().unwrap_or(false),
            smcd: smc::smcd_devices().unwrap_or_default(),
            smcr: smc::smcr_devices().unwrap_or_default(),
            links: links.into_iter().map(index).collect(),
        }
    }

    fn lines(&self) -> Vec<Line> {
        let names = |devices: &[Device]| -> Vec<String> {
            devices.iter().map(|it| it.name.clone()).collect()
        };
        let mut smcd = names(&self.smcd);
        // The kernel does not list it, but says that there is something.
        if self.v2 && (smcd.is_empty() || Path::new("/sys/class/dibs/lo").exists()) {
            smcd.push("the loopback device, for connections within this machine".into());
        }
        let smcr = names(&self.smcr);
        let (d, r) = (smcd.is_empty(), smcr.is_empty());
        let state = match d && r {
            true => State::Bad,
            false => State::Note,
        };
        let of = |what, found: &[String], next| match found {
            [] => line(what, state, "none", next),
            found => good(what, found.join(", ")),
        };
        vec![
            of(
                "SMC-D devices",
                &smcd,
                "mainframes have ISM; within one machine CONFIG_DIBS_LO=y (before 6.18 \
                 CONFIG_SMC_LO=y)",
            ),
            of(
                "SMC-R devices",
                &smcr,
                "RoCE hardware and its driver; to try it out without: \
                 rdma link add rxe0 type rxe netdev DEV",
            ),
        ]
    }

    /// For each network device that is up, whether SMC can run beside it.
    fn egress(&self) -> Vec<Line> {
        let ports = self
            .smcr
            .iter()
            .flat_map(|device| device.ports.iter().map(|port| (device.name.as_str(), port)));
        let ports: Vec<_> = ports.collect();
        let egress = |(name, index): &(String, u32)| {
            let rdma = ports.iter().find(|(_, port)| port.ifindex == *index);
            let rdma = rdma.map(|(device, port)| (*device, port.active));
            egress(
                name,
                rdma,
                !self.smcd.is_empty(),
                Path::new(SYSCTL).exists(),
            )
        };
        self.links.iter().map(egress).collect()
    }
}

/// Whether SMC can run beside a network device: over an RDMA device of the same port, with its
/// state, or over an SMC-D device of the same network. `hook`: whether rules can say where.
fn egress(name: &str, rdma: Option<(&str, bool)>, smcd: bool, hook: bool) -> Line {
    let what = format!("egress {name}");
    match (rdma, smcd) {
        (Some((device, true)), _) => good(&what, format!("SMC-R over {device}")),
        (Some((device, false)), _) => {
            let next = format!("rdma link show {device}");
            line(
                &what,
                State::Warning,
                format!("{device} is not active"),
                &next,
            )
        }
        (None, true) => line(
            &what,
            State::Note,
            "SMC-D if an SMC-D device is in the same network",
            "compare the PNET ids: smc_pnet",
        ),
        (None, false) => {
            let found = "no SMC device beside it: connections that leave by it are TCP";
            let next = match hook {
                true => format!("spare them the handshake: smcify rule add --dev {name}"),
                false => String::new(),
            };
            line(&what, State::Note, found, &next)
        }
    }
}

/// The EIDs.
fn eid(ueids: &[String], seid: Option<String>) -> Line {
    let what = "EID";
    match (ueids, seid) {
        ([], None) => line(
            what,
            State::Bad,
            "no user EID, and this machine has none of its own: every connection falls back to TCP",
            "smcify ueid add MY-CLUSTER, the same here and on the other hosts",
        ),
        ([], Some(seid)) => {
            let next = "for peers that are no mainframes: smcify ueid add MY-CLUSTER";
            line(
                what,
                State::Note,
                format!("only that of this machine: {seid}"),
                next,
            )
        }
        (all, _) => good(what, all.join(", ")),
    }
}

/// Who says where SMC is offered.
fn handshake(control: Option<&Control>) -> Result<Line> {
    let what = "handshake";
    let owner = read_to_string(SYSCTL).map(|it| it.trim().to_string());
    let state = match control {
        Some(control) => control.read_if_there("handshake")?,
        None => None,
    };
    Ok(match owner.as_deref() {
        Err(_) => {
            let found = "this kernel offers SMC everywhere: no net.smc.hs_ctrl";
            line(what, State::Note, found, "")
        }
        Ok("") => good(what, "SMC is offered everywhere"),
        Ok("smcify") => good(
            what,
            format!(
                "smcify's rules say where SMC is offered ({})",
                state.unwrap_or_default()
            ),
        ),
        Ok(other) => {
            let found =
                format!("{other} says where SMC is offered; smcify's rules do not count here");
            let next = format!(
                "to have smcify's: echo > {SYSCTL}, then remove all rules about where and add them \
                 again"
            );
            line(what, State::Warning, found, &next)
        }
    })
}

const WITHOUT: &str = "where SMC is not needed: \
    echo 'install smc /bin/false' > /etc/modprobe.d/no-smc.conf, and reboot";

/// The known bugs: which of them this kernel has, and whether they are closed.
fn bugs(control: Option<&Control>, release: &str) -> Result<Vec<Line>> {
    match control {
        Some(control) => Ok(fixes::read(control)?.iter().map(of_fix).collect()),
        None => Ok(from_outside(has_function("smc_ulp_init"), release)),
    }
}

/// What the state of a live fix says of the kernel.
fn of_fix(fix: &fixes::Fix) -> Line {
    let bug = fixes::bug(&fix.function);
    let switch = format!(
        "echo '{} auto' > /sys/kernel/config/smcify/fixes",
        fix.function
    );
    let (state, found, next) = match (fix.state.as_str(), fix.mode.as_str()) {
        ("active", _) => (
            State::Good,
            format!("closed by smcify's live fix. {bug}"),
            WITHOUT.into(),
        ),
        ("not needed" | "absent", _) => (
            State::Good,
            "this kernel does not have it".into(),
            String::new(),
        ),
        ("busy", _) => (
            State::Good,
            format!("somebody else has replaced the function, a livepatch for one. {bug}"),
            "see who: cat /sys/kernel/tracing/enabled_functions".into(),
        ),
        (_, "off") => (
            State::Warning,
            format!("open, if this kernel has it: the fix is off. {bug}"),
            switch,
        ),
        (state, _) => (State::Warning, format!("{state}. {bug}"), switch),
    };
    line(&format!("bug {}", fix.function), state, found, &next)
}

/// The same without the module, which alone can ask the kernel's code.
fn from_outside(ulp: Option<bool>, release: &str) -> Vec<Line> {
    let next = format!("modprobe smcify, which closes it\n{WITHOUT}");
    let bug = fixes::bug("smc_ulp_init");
    let ulp = match ulp {
        Some(true) => line(
            "bug smc_ulp_init",
            State::Warning,
            format!("open. {bug}"),
            &next,
        ),
        Some(false) => good(
            "bug smc_ulp_init",
            "this kernel does not have it, or SMC is not loaded",
        ),
        None => {
            let found = format!("unknown: /proc/kallsyms tells nothing. {bug}");
            line("bug smc_ulp_init", State::Note, found, &next)
        }
    };
    let what = "bugs with devices";
    let class = "connecting while a network device is deleted (CVE-2025-40168 and its siblings)";
    let devices = match version(release) {
        Some((6, 16)) => line(what, State::Warning, format!("open. {class}"), &next),
        it if it >= Some((6, 18)) => good(what, "fixed in this series of kernels"),
        _ => {
            let found = format!("only the running code can tell. {class}");
            let next =
                format!("modprobe smcify, which asks it, and closes them if needed\n{WITHOUT}");
            line(what, State::Note, found, &next)
        }
    };
    vec![ulp, devices]
}

/// Whether the kernel has this function now; nothing if it does not tell.
fn has_function(name: &str) -> Option<bool> {
    let symbols = read_to_string("/proc/kallsyms").ok()?;
    let mut names = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    let first = names.next()?;
    Some(first == name || names.any(|it| it == name))
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

impl Shown for Checked {
    fn text(&self) -> String {
        let mut table = bare_table();
        for it in &self.lines {
            let (mark, colour) = match it.state {
                State::Good => ("ok", Color::Green),
                State::Note => ("note", Color::Reset),
                State::Warning => ("warn", Color::Yellow),
                State::Bad => ("BAD", Color::Red),
            };
            let next = it.next.iter().flat_map(|next| next.lines());
            let next: String = next.map(|next| format!("\n→ {next}")).collect();
            table.add_row([
                coloured(mark, colour),
                Cell::new(&it.what),
                Cell::new(format!("{}{next}", it.found)),
            ]);
        }
        let verdict = match self.ready {
            true => "ready",
            false => "not ready",
        };
        format!("{}\n {verdict}\n", lines(&table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(without: &[&str]) -> HashMap<String, ConfigSetting> {
        let names = OPTIONS.iter().map(|(name, _, _)| *name);
        let names = names.chain(["SMC_HS_CTRL_BPF"]);
        let names = names.filter(|name| !without.contains(name));
        names
            .map(|name| (format!("CONFIG_{name}"), ConfigSetting::Yes))
            .collect()
    }

    #[test]
    fn options_are_told_by_what_is_amiss_without_them() {
        let [all] = &judged(&config(&[]), "7.2.12")[..] else {
            panic!("one line if nothing is amiss");
        };
        assert_eq!(all.state, State::Good);
        let some = judged(&config(&["SMC_DIAG", "FPROBE", "KPROBES"]), "7.2.12");
        assert_eq!((some[0].state, some[1].state), (State::Bad, State::Warning));
        assert!(some[0].found.contains("CONFIG_FPROBE, CONFIG_KPROBES"));
        let old = judged(&config(&["SMC_HS_CTRL_BPF"]), "6.16.12");
        let next = old[0].next.as_deref().expect("advice");
        assert!(next.contains("6.19"), "{next}");
    }

    #[test]
    fn an_eid_is_needed_of_one_kind_or_the_other() {
        assert_eq!(eid(&[], None).state, State::Bad);
        assert_eq!(eid(&[], Some("IBM-SYSZ".into())).state, State::Note);
        assert_eq!(eid(&["A".into()], None).state, State::Good);
    }

    #[test]
    fn egress_devices_are_told_apart() {
        assert_eq!(
            egress("eth0", Some(("rxe0", true)), false, true).state,
            State::Good
        );
        assert_eq!(
            egress("eth0", Some(("rxe0", false)), false, true).state,
            State::Warning
        );
        let lone = |hook| egress("eth0", None, false, hook).next;
        assert!(lone(true).is_some_and(|it| it.contains("--dev eth0")));
        assert_eq!(lone(false), None);
    }

    #[test]
    fn a_fix_tells_of_its_bug() {
        let fix = |mode: &str, state: &str| {
            of_fix(&fixes::Fix {
                function: "smc_ulp_init".into(),
                mode: mode.into(),
                state: state.into(),
            })
        };
        assert_eq!(fix("auto", "active").state, State::Good);
        assert_eq!(fix("auto", "absent").next, None);
        let off = fix("off", "inactive");
        assert_eq!(off.state, State::Warning);
        assert!(off.next.is_some_and(|it| it.contains("smc_ulp_init auto")));
    }

    #[test]
    fn versions_tell_what_they_can() {
        let states = |ulp, release| -> Vec<State> {
            from_outside(ulp, release)
                .iter()
                .map(|it| it.state)
                .collect()
        };
        assert_eq!(
            states(Some(true), "6.16.12"),
            [State::Warning, State::Warning]
        );
        assert_eq!(states(Some(false), "7.2.12"), [State::Good, State::Good]);
        assert_eq!(states(None, "6.12.9-cloud"), [State::Note, State::Note]);
        assert_eq!(version("6.18-rc1"), Some((6, 18)));
        assert_eq!(version("next"), None);
    }

    #[test]
    fn not_ready_is_an_error_that_says_what_to_do() {
        let checked = Checked {
            ready: false,
            lines: vec![good("kernel", "Linux"), eid(&[], None)],
        };
        let failure = checked.verdict().expect_err("not ready");
        assert_eq!(failure.kind, Kind::NotReady);
        assert!(failure.next.contains("smcify ueid add"), "{failure}");
        let json = serde_json::to_value(&checked).expect("JSON");
        assert_eq!(json["lines"][1]["state"], "bad");
        assert_eq!(json["lines"][0]["next"], serde_json::Value::Null);
    }
}
