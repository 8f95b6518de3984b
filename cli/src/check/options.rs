// SPDX-License-Identifier: GPL-2.0
//! The kernel's options.

use super::Line;
use super::State;
use super::good;
use super::line;
use crate::lacks;
use procfs::ConfigSetting;
use std::collections::BTreeMap;
use std::collections::HashMap;

/// An option of the kernel's, and what is amiss without it.
type Setting = (&'static str, State, &'static str);

const OPTIONS: [Setting; 12] = [
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
pub fn lines(release: &str) -> Vec<Line> {
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
        let next = match lacks::version(release) >= Some((6, 19, 0)) {
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
}
