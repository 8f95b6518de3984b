// SPDX-License-Identifier: GPL-2.0
//! `smcify status`: rules and what they chose, connections and how they fare.

use crate::connections::Why;
use crate::connections::is_connected;
use crate::control::Control;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::fixes;
use crate::fixes::Fix;
use crate::output::Shown;
use crate::output::coloured;
use crate::output::lines;
use crate::output::table;
use crate::rules::Rules;
use comfy_table::Cell;
use comfy_table::CellAlignment;
use comfy_table::Color;
use serde::Serialize;
use smc_netlink::diag;
use smc_netlink::diag::Carrier;
use smc_netlink::smc;
use std::fs::read_dir;
use std::fs::read_to_string;
use std::iter;
use std::path::Path;

/// What is known. A part that is not loaded is missing.
#[derive(Debug, Serialize)]
pub struct Status {
    smcify: Option<Module>,
    smc: Option<Smc>,
}

/// The module.
#[derive(Debug, Serialize)]
struct Module {
    version: String,
    /// What the handshake hook does; modules older than that have none.
    handshake: Option<String>,
    sockets: Vec<Seen>,
    /// Selected sockets that there are, fallen back or not: those that keep `smcify_stream` busy. Some
    /// may be closed, and their last bytes under way.
    open: Option<usize>,
    #[serde(flatten)]
    rules: Rules,
    fixes: Vec<Fix>,
}

/// New sockets of one address family since the module was loaded.
#[derive(Debug, PartialEq, Serialize)]
struct Seen {
    family: String,
    seen: u64,
    selected: u64,
    left: u64,
}

/// SMC itself, in one network namespace.
#[derive(Debug, Serialize)]
struct Smc {
    open: Option<Open>,
    smcd: Traffic,
    smcr: Traffic,
    /// Handshakes that left no connection at all.
    failed: u64,
    fallbacks: Fallbacks,
}

/// Connections that are open; nothing without smc_diag.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Open {
    smcd: usize,
    smcr: usize,
    tcp: usize,
}

/// Connections and bytes since the namespace is there.
#[derive(Debug, Serialize)]
struct Traffic {
    client: u64,
    server: u64,
    received: u64,
    sent: u64,
}

#[derive(Debug, Serialize)]
struct Fallbacks {
    client: u64,
    server: u64,
    reasons: Vec<Fallback>,
}

#[derive(Debug, Serialize)]
struct Fallback {
    /// client or server.
    side: &'static str,
    #[serde(flatten)]
    why: Why,
    count: u64,
}

/// Reads all of it, in the network namespace that this is called in.
pub fn read() -> Result<Status> {
    let module = Control::find()
        .map(|control| module(&control))
        .transpose()?;
    let smc = match smc::stats() {
        Ok(stats) => Some(of_smc(stats)?),
        Err(_) => None,
    };
    Ok(Status {
        smcify: module,
        smc,
    })
}

fn module(control: &Control) -> Result<Module> {
    Ok(Module {
        version: control.read("version")?,
        handshake: control.read_if_there("handshake")?,
        sockets: seen(&control.read("stats")?)?,
        open: references(Path::new("/sys/module/smcify_stream")),
        rules: Rules::read(control)?,
        fixes: fixes::read(control)?,
    })
}

/// How many references of a module there are, other modules' aside.
fn references(module: &Path) -> Option<usize> {
    let all = read_to_string(module.join("refcnt")).ok()?;
    let others = read_dir(module.join("holders")).ok()?.count();
    Some(all.trim_end().parse::<usize>().ok()?.saturating_sub(others))
}

/// Reads lines such as `inet seen 3 selected 2 left 1`.
fn seen(text: &str) -> Result<Vec<Seen>> {
    let line = |line: &str| -> Option<Seen> {
        let words: Vec<&str> = line.split(' ').collect();
        let [family, "seen", seen, "selected", selected, "left", left] = words[..] else {
            return None;
        };
        Some(Seen {
            family: family.into(),
            seen: seen.parse().ok()?,
            selected: selected.parse().ok()?,
            left: left.parse().ok()?,
        })
    };
    text.lines()
        .map(|it| {
            line(it).ok_or_else(|| {
                Failure::new(
                    Kind::Failed,
                    "understand smcify's stats",
                    format!("the line {it:?}"),
                    "load a module of the same version as this command: rmmod smcify; modprobe smcify",
                )
            })
        })
        .collect()
}

fn of_smc(stats: smc::Stats) -> Result<Smc> {
    let fallbacks = smc::fallbacks().or_fail("read why SMC fell back", "dmesg | tail")?;
    let reasons = fallbacks.reasons.iter().map(|it| Fallback {
        side: match it.server {
            true => "server",
            false => "client",
        },
        why: it.reason.into(),
        count: it.count,
    });
    Ok(Smc {
        open: diag::sockets().ok().map(|all| open(&all)),
        smcd: stats.smcd.into(),
        smcr: stats.smcr.into(),
        failed: stats.failed,
        fallbacks: Fallbacks {
            client: fallbacks.client,
            server: fallbacks.server,
            reasons: reasons.collect(),
        },
    })
}

impl From<smc::Traffic> for Traffic {
    fn from(it: smc::Traffic) -> Self {
        Self {
            client: it.client,
            server: it.server,
            received: it.received,
            sent: it.sent,
        }
    }
}

fn open(all: &[diag::Socket]) -> Open {
    let mut open = Open::default();
    for socket in all.iter().filter(|it| is_connected(it.state)) {
        match socket.carrier {
            Carrier::SmcD => open.smcd += 1,
            Carrier::SmcR => open.smcr += 1,
            Carrier::Tcp | Carrier::Fallback(_) => open.tcp += 1,
        }
    }
    open
}

impl Status {
    /// What is missing, to be said when the rest has been shown.
    pub fn complete(&self) -> Result<()> {
        let missing = |found: &str, next: &str| {
            let tried = "show all of the status";
            Err(Failure::new(Kind::NotLoaded, tried, found, next))
        };
        match (&self.smcify, &self.smc) {
            (None, _) => {
                Control::open("show rules and sockets selected")?;
                Ok(())
            }
            (_, None) => missing("SMC is not loaded", "modprobe smc"),
            _ => Ok(()),
        }
    }
}

impl Shown for Status {
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(module) = &self.smcify {
            text += &module.text();
        }
        if let Some(smc) = &self.smc {
            if !text.is_empty() {
                text += "\n";
            }
            text += &smc.text();
        }
        text
    }
}

impl Module {
    fn text(&self) -> String {
        let mut text = format!("smcify {}\n\n", self.version);
        text += &self.rules.text();
        if let Some(handshake) = &self.handshake {
            text += &format!("\n handshake: {}\n", in_words(handshake));
        }
        let mut sockets = table(&["NEW SOCKETS", "SEEN", "SMC", "LEFT ALONE"]);
        for it in &self.sockets {
            let numbers = [it.seen, it.selected, it.left].map(right);
            sockets.add_row(iter::once(Cell::new(&it.family)).chain(numbers));
        }
        text += &format!("\n{}", lines(&sockets));
        if let Some(open) = self.open {
            text += &format!(" selected and open: {open}\n");
        }
        let mut fixes = table(&["LIVE FIX", "MODE", "STATE"]);
        for it in &self.fixes {
            let colour = match it.state.as_str() {
                "active" => Color::Green,
                "busy" | "inactive" => Color::Yellow,
                _ => Color::Reset,
            };
            fixes.add_row([
                Cell::new(&it.function),
                Cell::new(&it.mode),
                coloured(&it.state, colour),
            ]);
        }
        text + &format!("\n{}", lines(&fixes))
    }
}

impl Smc {
    fn text(&self) -> String {
        let mut connections = table(&[
            "CONNECTIONS",
            "OPEN",
            "AS CLIENT",
            "AS SERVER",
            "RECEIVED",
            "SENT",
        ]);
        let open = |of: fn(&Open) -> usize| match &self.open {
            Some(open) => right(of(open)),
            None => right("?"),
        };
        for (name, number, it) in [
            ("SMC-D", open(|it| it.smcd), &self.smcd),
            ("SMC-R", open(|it| it.smcr), &self.smcr),
        ] {
            connections.add_row([
                Cell::new(name),
                number,
                right(it.client),
                right(it.server),
                right(bytes(it.received)),
                right(bytes(it.sent)),
            ]);
        }
        connections.add_row([
            Cell::new("TCP fallback"),
            open(|it| it.tcp),
            right(self.fallbacks.client),
            right(self.fallbacks.server),
        ]);
        let mut text = lines(&connections);
        if self.failed > 0 {
            text += &format!(" {} handshakes left no connection at all\n", self.failed);
        }
        if !self.fallbacks.reasons.is_empty() {
            let mut table = table(&["FALLBACKS", "SIDE", "WHY"]);
            for it in &self.fallbacks.reasons {
                let why = Cell::new(it.why.to_string());
                table.add_row([right(it.count), Cell::new(it.side), why]);
            }
            text += &format!("\n{}", lines(&table));
        }
        text
    }
}

/// What the module says of the handshake, and what that means.
fn in_words(handshake: &str) -> String {
    let words: Vec<&str> = handshake.split(' ').collect();
    match words[..] {
        ["absent"] => "this kernel cannot be asked where SMC is offered".into(),
        ["idle"] => "SMC is offered everywhere; no rule says otherwise".into(),
        ["published", "0", "taken", "0"] => "published nowhere".into(),
        ["published", mine, "taken", "0"] => {
            format!("rules are in force in {mine} network namespaces")
        }
        ["published", mine, "taken", others] => format!(
            "rules are in force in {mine} network namespaces; in {others} somebody else has \
             net.smc.hs_ctrl"
        ),
        _ => handshake.into(),
    }
}

/// A number of bytes, as people read it.
fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut shown = number as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while shown >= 1024.0 {
        let Some(next) = units.next() else {
            break;
        };
        (shown, unit) = (shown / 1024.0, Some(next));
    }
    let unit = unit.unwrap_or(&"");
    match number < 1024 {
        true => format!("{number} {unit}"),
        false => format!("{shown:.1} {unit}"),
    }
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_are_lines() {
        let text = "inet seen 12 selected 10 left 2\ninet6 seen 1 selected 0 left 1";
        let all = seen(text).expect("stats");
        assert_eq!((all[0].seen, all[0].selected, all[0].left), (12, 10, 2));
        assert_eq!(all[1].family, "inet6");
        assert!(seen("inet seen twelve").is_err());
    }

    #[test]
    fn the_handshake_is_put_in_words() {
        assert!(in_words("idle").contains("no rule"));
        assert!(in_words("published 3 taken 1").contains("somebody else"));
        assert!(!in_words("published 3 taken 0").contains("somebody else"));
        assert_eq!(in_words("of the future"), "of the future");
    }

    #[test]
    fn bytes_are_readable() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(67_108_864), "64.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn open_connections_are_told_from_listeners() {
        let socket = |state, carrier| diag::Socket {
            family: libc::AF_INET,
            state,
            carrier,
            peer_reason: None,
            ports: (0, 0),
            addresses: None,
            uid: 0,
            inode: 0,
        };
        let all = [
            socket(diag::LISTEN, Carrier::SmcR),
            socket(diag::ACTIVE, Carrier::SmcD),
            socket(diag::ACTIVE, Carrier::Fallback(3)),
        ];
        let (smcd, smcr, tcp) = (1, 0, 1);
        assert_eq!(open(&all), Open { smcd, smcr, tcp });
    }

    #[test]
    fn a_part_that_is_missing_is_null() {
        let status = Status {
            smcify: None,
            smc: None,
        };
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json, serde_json::json!({"smcify": null, "smc": null}));
        assert_eq!(status.text(), "");
    }
}
