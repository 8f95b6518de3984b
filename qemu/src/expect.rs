// SPDX-License-Identifier: GPL-2.0
//! Holds the kernel's reports against those that a scenario expects.

use guest::Expected;

use crate::splat::Splat;
use crate::tally::Failure;
use crate::tally::Tally;

/// Whether the report is an expected one.
pub fn is(splat: &Splat, expected: &Expected) -> bool {
    let any_or = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let found = splat.parts();
    any_or(&expected.kind, &found.kind)
        && any_or(&expected.access, &found.access)
        && any_or(&expected.function, &found.function)
        && (expected.freed_by.is_empty() || found.freed.contains(&expected.freed_by))
}

/// Counts each expected report that came. One that did not is a failure, unless it is
/// optional, and so is each that nobody expects.
pub fn judge(splats: &[Splat], expects: &[Expected], place: &str) -> Tally {
    let mut tally = Tally::default();
    for expected in expects.iter().filter(|expected| !expected.optional) {
        if splats.iter().any(|splat| is(splat, expected)) {
            tally.passed += 1;
        } else {
            let what = format!("the kernel does not report {}", describe(expected));
            let came = splats.iter().map(Splat::summary).collect();
            tally.fail(Failure::new(place, &what, came));
        }
    }
    let unexpected = |splat: &&Splat| !expects.iter().any(|expected| is(splat, expected));
    for splat in splats.iter().filter(unexpected) {
        let scenario = splat.scenario.as_ref();
        let scenario = scenario.map(|name| format!(", in {name}"));
        let what = format!("{}{}", splat.summary(), scenario.unwrap_or_default());
        tally.fail(Failure::new(place, &what, splat.excerpt.clone()));
    }
    tally
}

/// As in `slab-use-after-free in seq_show (Read), freed by smc_release`.
fn describe(expected: &Expected) -> String {
    let part = |before: &str, text: &str, after: &str| match text {
        "" => String::new(),
        _ => format!("{before}{text}{after}"),
    };
    [
        part("", &expected.kind, ""),
        part(" in ", &expected.function, ""),
        part(" (", &expected.access, ")"),
        part(", freed by ", &expected.freed_by, ""),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splat::Watcher;

    /// Two reports, one right after the other, as under `kasan_multi_shot`.
    const LOG: &str = include_str!("splat/reports/multi_shot.log");

    fn splats() -> Vec<Splat> {
        let mut watcher = Watcher::default();
        for line in LOG.lines() {
            watcher.line(line, Some("ulp-opath-without"));
        }
        watcher.finish()
    }

    fn expected(access: &str, function: &str) -> Expected {
        Expected {
            kind: "slab-use-after-free".into(),
            access: access.into(),
            function: function.into(),
            freed_by: "smc_clcsock_release".into(),
            optional: false,
        }
    }

    fn both() -> [Expected; 2] {
        [
            expected("Read", "seq_show"),
            expected("Write", "dentry_unlink_inode"),
        ]
    }

    #[test]
    fn reports_that_come_as_expected_pass_one_by_one() {
        let splats = splats();
        assert_eq!(splats.len(), 2, "{splats:?}");
        let tally = judge(&splats, &both(), "vulnerable");
        assert_eq!((tally.passed, tally.failures.len()), (2, 0), "{tally:?}");
    }

    #[test]
    fn a_report_that_does_not_come_is_a_failure() {
        let tally = judge(&splats()[..1], &both(), "vulnerable");
        assert_eq!((tally.passed, tally.failures.len()), (1, 1));
        let failure = &tally.failures[0];
        assert_eq!(
            failure.what,
            "the kernel does not report slab-use-after-free in dentry_unlink_inode (Write), \
             freed by smc_clcsock_release"
        );
        assert_eq!(
            failure.excerpt,
            ["KASAN: slab-use-after-free in seq_show"],
            "what came instead is said"
        );
    }

    #[test]
    fn an_optional_report_may_come_or_not() {
        let both = both().map(|expected| Expected {
            optional: true,
            ..expected
        });
        for came in [0, 1, 2] {
            let tally = judge(&splats()[..came], &both, "vulnerable");
            assert_eq!((tally.passed, tally.failures.len()), (0, 0), "{tally:?}");
        }
    }

    #[test]
    fn a_report_that_nobody_expects_is_a_failure() {
        let [read, _] = both();
        let tally = judge(&splats(), &[read], "vulnerable");
        assert_eq!((tally.passed, tally.failures.len()), (1, 1));
        let what = "KASAN: slab-use-after-free in dentry_unlink_inode, in ulp-opath-without";
        assert_eq!(tally.failures[0].what, what);
        assert_eq!(judge(&splats(), &[], "vulnerable").failures.len(), 2);
    }

    #[test]
    fn what_is_not_kasan_s_goes_by_its_kind() {
        let mut watcher = Watcher::default();
        for line in include_str!("splat/reports/oops.log").lines() {
            watcher.line(line, None);
        }
        let oops = Expected {
            kind: "Oops".into(),
            function: "null".into(),
            ..Expected::default()
        };
        let splats = watcher.finish();
        assert!(splats.iter().any(|splat| is(splat, &oops)), "{splats:?}");
        let kasan = expected("Read", "null");
        assert!(!splats.iter().any(|splat| is(splat, &kasan)));
    }

    #[test]
    fn each_field_counts_and_an_empty_one_is_any() {
        let splat = &splats()[0];
        let right = expected("Read", "seq_show");
        assert!(is(splat, &right));
        let wrong = |change: fn(&mut Expected)| {
            let mut wrong = right.clone();
            change(&mut wrong);
            !is(splat, &wrong)
        };
        assert!(wrong(|it| it.kind = "double-free".into()));
        assert!(wrong(|it| it.access = "Write".into()));
        assert!(wrong(|it| it.function = "show_fd_locks".into()));
        assert!(wrong(|it| it.freed_by = "netdev_run_todo".into()));
        // On the stack of the access, which is not what is asked for.
        assert!(wrong(|it| it.freed_by = "seq_read_iter".into()));
        assert!(is(splat, &Expected::default()));
    }
}
