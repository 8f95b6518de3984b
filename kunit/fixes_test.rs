// SPDX-License-Identifier: GPL-2.0

//! KUnit: the live fixes: which are in force, how they are switched, and that a kernel that
//! does not need them gives the same answers with them.

use kernel::prelude::*;

use crate::fixes::{
    Fixes,
    State, //
};
use crate::net::smc::{
    PrfxMatch,
    PRFX_MATCH, //
};
use crate::net_test::{
    routed4,
    BY_DUMMY, //
};
use crate::prefix_match_test::{
    compare,
    Answers, //
};
use crate::trace::Redirect;

const SERIES: [&str; 4] = [
    "smc_clc_prfx_match",
    "smc_vlan_by_tcpsk",
    "smc_pnet_find_ism_resource",
    "smc_pnet_find_roce_resource",
];

/// Whether the running kernel lacks the series, and the states of what the series fixed.
fn states() -> Result<(bool, [Option<State>; 4])> {
    let lacks = PrfxMatch::find()?.is_unfixed()?;
    let fixes = Fixes::new()?;
    Ok((lacks, SERIES.map(|function| fixes.state(function))))
}

/// The kernel's answers on a real device with `smc_clc_prfx_match` switched to `mode`.
fn answers(mode: &[u8]) -> Result<(Option<State>, Answers)> {
    let mut fixes = Fixes::new()?;
    fixes.set(mode)?;
    let answers = compare(PrfxMatch::find()?, &routed4(BY_DUMMY)?);
    Ok((fixes.state("smc_clc_prfx_match"), answers))
}

/// The states while somebody else has the function, and after.
fn busy() -> Result<(Option<State>, Option<State>)> {
    let mut fixes = Fixes::new()?;
    fixes.set(b"smc_clc_prfx_match off")?;
    let other = KBox::pin_init(Redirect::new(PRFX_MATCH), GFP_KERNEL)?;
    fixes.set(b"smc_clc_prfx_match on")?;
    let busy = fixes.state("smc_clc_prfx_match");
    drop(other);
    fixes.set(b"smc_clc_prfx_match on")?;
    Ok((busy, fixes.state("smc_clc_prfx_match")))
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
        let states = states();
        let expected = states.map(|(lacks, _)| match lacks {
            true => State::Active,
            false => State::NotNeeded,
        });
        let all = states.map(|(_, all)| all.iter().all(|it| *it == expected.ok()));
        assert_eq!(all, Ok(true));
    }

    #[test]
    fn on_gives_the_same_answers() {
        let (off, on) = (
            answers(b"smc_clc_prfx_match off"),
            answers(b"smc_clc_prfx_match on\n"),
        );
        let states = (off.as_ref().map(|it| it.0), on.as_ref().map(|it| it.0));
        assert!(states == (Ok(Some(State::Inactive)), Ok(Some(State::Active))));
        let (off, on) = (off.map(|it| it.1), on.map(|it| it.1));
        assert_eq!(on.as_ref().map(|it| it.differ), Ok(0));
        assert_eq!(off, on);
    }

    #[test]
    fn what_somebody_else_has_is_busy_and_left_alone() {
        assert_eq!(busy(), Ok((Some(State::Busy), Some(State::Active))));
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
