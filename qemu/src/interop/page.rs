// SPDX-License-Identifier: GPL-2.0
//! docs/compatibility.md: what was measured, joined with the causes.

use std::fmt::Write;

use guest::Difference;
use guest::Outcome;
use guest::Tried;

use super::cause;
use super::cause::Cause;

const HEAD: &str = "\
# Real programs under smcify

Written by `make interop` from what it has measured: every program here ran twice, unmodified, with TCP and under `smcify run`, on both
sides. Programs with a server and a client ran in two QEMU guests with a network between them and soft-RoCE on it, so their connections
could be SMC-R; those within one guest (a proxy's to its backend, all of CPython's) SMC-D. \"The same\" means: the client got what it asked for, byte for byte where bytes
come back, without an error, and opened as many connections.
";

const RACES_HEAD: &str = "\
A test of CPython's that fails under `smcify run` and passes when it is tried again, without most of the others, is not in the table; which ones these are differs \
from run to run. ";

/// The whole page.
pub fn page(release: &str, all: &[Tried]) -> String {
    let mut text = format!("{HEAD}\nLinux {release}; programs of Debian trixie.\n\n");
    text += "| program | version | with TCP | under `smcify run` | connections that ran SMC | fallbacks to TCP |\n|---|---|---|---|---|---|\n";
    for tried in all {
        let _ = writeln!(text, "{}", row(tried));
    }
    text += "\n## Where they differ, and why\n\n";
    text += "| program | what | with TCP | under `smcify run` | whose | cause |\n|---|---|---|---|---|---|\n";
    for tried in all {
        for (cause, differences) in by_cause(tried) {
            let _ = writeln!(text, "{}", explained(tried, cause, &differences));
        }
    }
    let _ = write!(text, "\n{RACES_HEAD}{}\n", cause::RACES);
    text
}

fn row(tried: &Tried) -> String {
    let result = |one: &Outcome| match one.good {
        true => one.result.clone(),
        false => format!("**fails**: {}", first_line(&one.result)),
    };
    // Differences of a suite are its tests'; how many there are depends on races.
    let under = match tried.smcify.result == tried.tcp.result {
        false if tried.steady || !tried.smcify.good => result(&tried.smcify),
        _ if !tried.steady && tried.differences.iter().any(|it| !it.race) => {
            "the same but for what is below".into()
        }
        _ => "the same".to_string(),
    };
    format!(
        "| {} | {} | {} | {under} | {} | {} |",
        tried.program,
        tried.version,
        result(&tried.tcp),
        carried(tried),
        fallbacks(tried)
    )
}

/// How many connections ran SMC, of how many. Numbers only where they are the same each time.
fn carried(tried: &Tried) -> String {
    let one = &tried.smcify;
    let kinds = [("SMC-R", one.smcr), ("SMC-D", one.smcd)];
    let kinds = kinds.into_iter().filter(|(_, number)| *number > 0);
    if tried.steady {
        let kinds: Vec<_> = kinds
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect();
        return match kinds.as_slice() {
            [] => format!("0 of {}", one.opened),
            kinds => format!("{} of {}", kinds.join(", "), one.opened),
        };
    }
    let kinds: Vec<_> = kinds.map(|(kind, _)| kind).collect();
    let how_many = match (kinds.as_slice(), one.fallbacks.as_slice()) {
        ([], _) => return "none".into(),
        (_, []) => "all that came about",
        _ => "some",
    };
    format!("{how_many}, {}", kinds.join(" and "))
}

fn fallbacks(tried: &Tried) -> String {
    let one = |it: &guest::Fallback| {
        let side = if it.server { "server" } else { "client" };
        match tried.steady {
            true => format!("{} of the {side}: {}", it.count, it.reason),
            false => format!("of the {side}: {}", it.reason),
        }
    };
    let all: Vec<_> = tried.smcify.fallbacks.iter().map(one).collect();
    match all.as_slice() {
        [] => "none".into(),
        all => all.join("; "),
    }
}

/// The differences of a program but for races, those of one cause together, in the order in
/// which they came.
fn by_cause(tried: &Tried) -> Vec<(Option<&'static Cause>, Vec<&Difference>)> {
    let mut groups: Vec<(Option<&'static Cause>, Vec<&Difference>)> = Vec::new();
    for it in tried.differences.iter().filter(|it| !it.race) {
        let cause = cause::of(&tried.program, &it.what);
        let same = |known: &Option<&'static Cause>| match (*known, cause) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        match groups.iter_mut().find(|(known, _)| same(known)) {
            Some((_, group)) => group.push(it),
            None => groups.push((cause, vec![it])),
        }
    }
    groups
}

fn explained(tried: &Tried, cause: Option<&Cause>, differences: &[&Difference]) -> String {
    let join = |of: fn(&Difference) -> &str| {
        let mut all: Vec<&str> = differences.iter().map(|it| first_line(of(it))).collect();
        all.dedup();
        all.join("<br>")
    };
    let (whose, why) = match cause {
        Some(cause) => (cause.whose.to_string(), cause.why),
        None => ("?".to_string(), "not known"),
    };
    format!(
        "| {} | {} | {} | {} | {whose} | {why} |",
        tried.program,
        join(|it| &it.what),
        join(|it| &it.tcp),
        join(|it| &it.smcify)
    )
}

/// The first line, without what would end a table's cell.
fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split('|').next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest::Fallback;

    fn outcome(smcr: u64, fallbacks: Vec<Fallback>) -> Outcome {
        Outcome {
            good: true,
            result: "no error".into(),
            opened: 4,
            smcd: 0,
            smcr,
            fallbacks,
        }
    }

    #[test]
    fn numbers_are_told_where_they_are_the_same_each_time() {
        let reason = "the peer does not offer SMC (PEERNOSMC)".to_string();
        let fallback = Fallback {
            server: false,
            reason: reason.clone(),
            count: 1,
        };
        let mut tried = Tried {
            program: "Go net/http".into(),
            version: "1".into(),
            steady: true,
            tcp: outcome(0, Vec::new()),
            smcify: outcome(3, vec![fallback]),
            differences: vec![Difference {
                what: reason,
                tcp: "TCP".into(),
                smcify: "TCP, by fallback".into(),
                race: false,
            }],
        };
        let text = page("7.2.12", std::slice::from_ref(&tried));
        assert!(
            text.contains("| 3 SMC-R of 4 | 1 of the client: the peer"),
            "{text}"
        );
        assert!(text.contains("| the program | Since 1.24"), "{text}");
        tried.steady = false;
        let text = page("7.2.12", &[tried]);
        assert!(
            text.contains("| some, SMC-R | of the client: the peer"),
            "{text}"
        );
    }
}
