// SPDX-License-Identifier: GPL-2.0

//! KUnit: the live fixes: which are in force, how they are switched, and that a kernel that
//! does not need them gives the same answers with them.

use kernel::prelude::*;
use kernel::str::CString;

use crate::fixes::binding::{
    PrfxMatch,
    PRFX_MATCH, //
};
use crate::fixes::Fixes;
use crate::net_test::{
    routed4,
    BY_DUMMY, //
};
use crate::prefix_match_test::{
    compare,
    Answers, //
};
use crate::trace::Redirect;

/// Functions that the upstream series changed.
const SERIES: [&str; 4] = [
    "smc_clc_prfx_match",
    "smc_vlan_by_tcpsk",
    "smc_pnet_find_ism_resource",
    "smc_pnet_find_roce_resource",
];

/// Whether `fixes` shows of `function` what `rest` says.
fn shows(fixes: &Fixes, function: &str, rest: &str) -> Result<bool> {
    let text = CString::try_from_fmt(format_args!("{fixes}"))?;
    let lines = text.to_str().map_err(|_| EINVAL)?.lines();
    let mut named = lines.filter_map(|line| line.strip_prefix(function));
    Ok(named.any(|line| line.trim_start() == rest))
}

/// Whether the state of everything that the series fixed is the one that fits.
fn fitting() -> Result<bool> {
    let rest = match PrfxMatch::find()?.is_unfixed()? {
        true => "auto active",
        false => "auto not needed",
    };
    let fixes = Fixes::new()?;
    let mut all = SERIES.iter();
    all.try_fold(true, |good, function| {
        Ok(good && shows(&fixes, function, rest)?)
    })
}

/// The kernel's answers on a real device after `line`, and whether what is then shown of
/// `smc_clc_prfx_match` is `rest`.
fn answers(line: &[u8], rest: &str) -> Result<(bool, Answers)> {
    let mut fixes = Fixes::new()?;
    fixes.set(line)?;
    let answers = compare(PrfxMatch::find()?, &routed4(BY_DUMMY)?);
    Ok((shows(&fixes, "smc_clc_prfx_match", rest)?, answers))
}

/// Whether a function that somebody else has redirected is shown as busy, and is active when
/// it is asked for again later.
fn busy() -> Result<(bool, bool)> {
    let mut fixes = Fixes::new()?;
    fixes.set(b"smc_clc_prfx_match off")?;
    let other = KBox::try_pin_init(Redirect::new(PRFX_MATCH), GFP_KERNEL)?;
    fixes.set(b"smc_clc_prfx_match on")?;
    let busy = shows(&fixes, "smc_clc_prfx_match", "on busy")?;
    drop(other);
    fixes.set(b"smc_clc_prfx_match on")?;
    Ok((busy, shows(&fixes, "smc_clc_prfx_match", "on active")?))
}

/// How many of these lines are refused with `EINVAL`.
fn refused(lines: &[&[u8]]) -> Result<usize> {
    let mut fixes = Fixes::new()?;
    let refusals = lines.iter().filter(|line| fixes.set(line) == Err(EINVAL));
    Ok(refusals.count())
}

#[kunit_tests(smcify_fixes)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lacks_is_in_force() {
        assert_eq!(fitting(), Ok(true));
    }

    #[test]
    fn on_gives_the_same_answers() {
        let (off, on) = (
            answers(b"smc_clc_prfx_match off", "off inactive"),
            answers(b"smc_clc_prfx_match on\n", "on active"),
        );
        assert_eq!(on.as_ref().map(|(_, it)| it.differ), Ok(0));
        assert_eq!(off.as_ref().map(|(good, _)| *good), Ok(true));
        assert_eq!(off, on);
    }

    #[test]
    fn what_somebody_else_has_is_busy_and_left_alone() {
        assert_eq!(busy(), Ok((true, true)));
    }

    #[test]
    fn junk_is_einval() {
        let lines: [&[u8]; 8] = [
            b"",
            b"smc_clc_prfx_match",
            b"smc_clc_prfx_match ",
            b"smc_clc_prfx_match yes",
            b"smc_clc_prfx_match on on",
            b"smc_clc_prfx_match  on",
            b"smc_clc_prfx_set on",
            b" on",
        ];
        assert_eq!(refused(&lines), Ok(lines.len()));
    }
}
