// SPDX-License-Identifier: GPL-2.0
//! The fixes that this kernel lacks: in a line, and each in a table.

use super::Line;
use super::State;
use super::good;
use super::line;
use crate::fixes;
use crate::lacks;
use crate::lacks::Lack;
use crate::lacks::Who;
use crate::output::coloured;
use crate::output::lines;
use crate::output::table;
use comfy_table::Cell;
use comfy_table::Color;
use std::iter;

const WITHOUT: &str = "where SMC is not needed: \
    echo 'install smc /bin/false' > /etc/modprobe.d/no-smc.conf, and reboot";

/// All of them in a line; `loaded`: whether smcify can close some.
pub fn in_short(lacking: Option<&[Lack]>, release: &str, loaded: bool) -> Line {
    let what = "fixes of net/smc";
    let all = match lacking {
        None => {
            let found = format!("nothing is known of Linux {release}, only of 6.16 and later");
            return line(what, State::Note, found, "");
        }
        Some([]) => return good(what, "this kernel has all that are known here"),
        Some(all) => all,
    };
    let open = all.iter().any(Lack::is_open);
    let state = match open {
        true => State::Warning,
        false => State::Note,
    };
    let mut next = vec![format!("Linux {} or later has all", lacks::complete())];
    let closable = all.iter().filter(|it| it.fix.has_live()).count();
    if !loaded && closable > 0 {
        next.push(format!("modprobe smcify, which closes {closable} of them"));
    }
    next.extend(all.iter().flat_map(|it| &it.live).filter_map(remedy));
    if open {
        next.push(WITHOUT.into());
    }
    line(what, state, lacks::summary(all), &next.join("\n"))
}

/// What to do about a live fix that ought to be in force.
fn remedy(fix: &fixes::Fix) -> Option<String> {
    let function = &fix.function;
    match fix.state.as_str() {
        _ if fix.is_active() || fix.is_needless() => None,
        "busy" => Some(format!(
            "somebody else has replaced {function}, a livepatch for one: \
             grep {function} /sys/kernel/tracing/enabled_functions"
        )),
        _ => Some(format!(
            "switch its live fix on: echo '{function} auto' > /sys/kernel/config/smcify/fixes"
        )),
    }
}

/// Each of them, by who reaches it.
pub fn in_full(lacking: &[Lack]) -> String {
    let heads = [
        (Who::Peer, "WHAT ANY PEER REACHES"),
        (Who::User, "WHAT ANY LOCAL USER REACHES"),
        (Who::Few, "WHAT ROOT, HARDWARE OR ONLY ONESELF REACHES"),
    ];
    let tables = heads.iter().map(|(who, head)| {
        let mut table = table(&["", "LACKING", "FIXED IN", head]);
        for it in lacking.iter().filter(|it| it.fix.who == *who) {
            let (mark, colour) = match it.closed {
                true => ("closed", Color::Green),
                false => ("open", Color::Yellow),
            };
            let (cve, text) = (it.fix.cve.unwrap_or("no CVE known"), it.fix.without);
            let rest = [cve, &it.fixed, text].map(Cell::new);
            table.add_row(iter::once(coloured(mark, colour)).chain(rest));
        }
        table
    });
    let tables = tables.filter(|it| !it.is_empty());
    tables.map(|it| format!("\n{}", lines(&it))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(release: &str) -> Option<Vec<Lack>> {
        lacks::listed(release, &[])
    }

    #[test]
    fn the_line_warns_of_what_others_reach() {
        let state = |release| in_short(of(release).as_deref(), release, true).state;
        assert_eq!(state("6.16.12"), State::Warning);
        assert_eq!(state("7.2.12"), State::Note);
        assert_eq!(state("7.3.4"), State::Good);
        assert_eq!(state("6.12.117"), State::Note);
    }

    #[test]
    fn a_live_fix_that_is_not_in_force_has_a_remedy() {
        let remedy = |state: &str| {
            remedy(&fixes::Fix {
                function: "smc_ulp_init".into(),
                mode: "auto".into(),
                state: state.into(),
            })
        };
        assert_eq!(remedy("active"), None);
        assert!(remedy("inactive").is_some_and(|it| it.contains("smc_ulp_init auto")));
        assert!(remedy("busy").is_some_and(|it| it.contains("enabled_functions")));
    }

    #[test]
    fn each_is_named_under_who_reaches_it() {
        let text = in_full(&of("6.16.12").expect("known"));
        let users = text.find("ANY LOCAL USER").expect("a head");
        assert!(text.find("CVE-2026-46330") > Some(users), "{text}");
        assert!(text.find("CVE-2026-46027") < Some(users), "{text}");
        assert_eq!(in_full(&[]), "");
    }
}
