// SPDX-License-Identifier: GPL-2.0
//! `smcify check`: whether this machine is ready, line by line, and what to do about each.

mod devices;
mod lacks;
mod options;

use crate::control::Control;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::Result;
use crate::lacks::Lack;
use crate::output::Shown;
use crate::output::bare_table;
use crate::output::coloured;
use crate::output::lines;
use comfy_table::Cell;
use comfy_table::Color;
use devices::Devices;
use serde::Serialize;
use smc_netlink::diag;
use smc_netlink::smc;
use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;
use std::fs::read_to_string;

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
    /// The fixes that the kernel lacks, if that is known.
    lacks: Option<Vec<Lack>>,
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
    let release = crate::lacks::release();
    let control = Control::find();
    let mut lines = vec![good("kernel", format!("Linux {release}"))];
    lines.extend(options::lines(&release));
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
    let lacking = crate::lacks::of(&release, control.as_ref())?;
    lines.push(lacks::in_short(
        lacking.as_deref(),
        &release,
        control.is_some(),
    ));
    Ok(Checked {
        ready: lines.iter().all(|it| it.state != State::Bad),
        lines,
        lacks: lacking,
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
        let lacking = self.lacks.as_deref().map(lacks::in_full);
        let lacking = lacking.unwrap_or_default();
        format!("{}{lacking}\n {verdict}\n", lines(&table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eid_is_needed_of_one_kind_or_the_other() {
        assert_eq!(eid(&[], None).state, State::Bad);
        assert_eq!(eid(&[], Some("IBM-SYSZ".into())).state, State::Note);
        assert_eq!(eid(&["A".into()], None).state, State::Good);
    }

    #[test]
    fn not_ready_is_an_error_that_says_what_to_do() {
        let checked = Checked {
            ready: false,
            lines: vec![good("kernel", "Linux"), eid(&[], None)],
            lacks: None,
        };
        let failure = checked.verdict().expect_err("not ready");
        assert_eq!(failure.kind, Kind::NotReady);
        assert!(failure.next.contains("smcify ueid add"), "{failure}");
        let json = serde_json::to_value(&checked).expect("JSON");
        assert_eq!(json["lines"][1]["state"], "bad");
        assert_eq!(json["lines"][0]["next"], serde_json::Value::Null);
    }
}
