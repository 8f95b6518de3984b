// SPDX-License-Identifier: GPL-2.0
//! Kernel configurations: fragments over allnoconfig, and the check that every
//! line of them holds in the result.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use anyhow::Result;

use crate::checkout;

/// The text of the fragments `names` of the checkout, one after the other.
pub(crate) fn fragment(names: &[&str]) -> Result<String> {
    names.iter().map(|name| read(name)).collect()
}

/// The text of the fragment `name` of the checkout.
pub(crate) fn read(name: &str) -> Result<String> {
    let path = checkout().join("qemu/configs").join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What of `fragment` does not hold in `config`, as a line for each option.
pub(crate) fn unmet(fragment: &str, config: &str) -> Vec<String> {
    let (wanted, found) = (options(fragment), options(config));
    let found = |name: &str| found.get(name).copied().unwrap_or("n");
    let unmet = wanted.iter().filter(|(name, value)| found(name) != **value);
    unmet
        .map(|(name, value)| format!("{name}={value} is asked for, {} came out", found(name)))
        .collect()
}

/// The value of the option `name`, a string, in `config`.
pub(crate) fn text<'a>(config: &'a str, name: &str) -> Option<&'a str> {
    options(config)
        .get(name)
        .map(|value| value.trim_matches('"'))
}

/// `config` without what is a module there.
pub(crate) fn without_modules(config: &str) -> String {
    let kept = config.lines().filter(|line| !line.ends_with("=m"));
    kept.map(|line| format!("{line}\n")).collect()
}

/// The options that `text` sets; of two lines for one option, the last counts.
fn options(text: &str) -> BTreeMap<&str, &str> {
    let set = |line: &'_ str| line.starts_with("CONFIG_");
    text.lines()
        .filter(|line| set(line))
        .filter_map(|line| line.trim_end().split_once('='))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str =
        "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_N=20\nCONFIG_S=\"x y\"\n";

    #[test]
    fn a_fragment_that_holds() {
        let fragment = "# words\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=m\nCONFIG_N=20\nCONFIG_S=\"x y\"\nCONFIG_GONE=n\n";
        assert!(unmet(fragment, CONFIG).is_empty());
    }

    #[test]
    fn each_option_that_does_not_hold_is_named() {
        let fragment = "CONFIG_A=n\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_N=21\nCONFIG_GONE=y\n";
        let unmet = unmet(fragment, CONFIG);
        assert_eq!(unmet.len(), 5, "{unmet:?}");
        assert_eq!(unmet[0], "CONFIG_A=n is asked for, y came out");
        assert_eq!(unmet[4], "CONFIG_N=21 is asked for, 20 came out");
    }

    #[test]
    fn modules_are_left_out() {
        let left = without_modules(CONFIG);
        assert!(!left.contains("CONFIG_C=") && left.contains("CONFIG_A=y\n"));
        assert_eq!(left.lines().count(), CONFIG.lines().count() - 1);
    }

    #[test]
    fn text_is_without_quotes() {
        assert_eq!(text(CONFIG, "CONFIG_S"), Some("x y"));
        assert_eq!(text(CONFIG, "CONFIG_GONE"), None);
    }

    #[test]
    fn the_last_line_for_an_option_counts() {
        assert!(unmet("CONFIG_A=n\nCONFIG_A=y\n", CONFIG).is_empty());
    }

    #[test]
    fn the_lab_s_fragments_can_be_read() {
        let text = fragment(&["kernel.config", "debug.config"]).expect("they are in the checkout");
        assert!(text.contains("CONFIG_SMC=m"));
        assert!(fragment(&["no.config"]).is_err());
    }
}
