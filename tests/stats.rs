// SPDX-License-Identifier: GPL-2.0

//! Host: what the counters print.

use smcify::rules::stats::Stats;

#[test]
fn a_line_a_family() {
    let stats = Stats::default();
    for (family, selected, times) in [(2, true, 3), (2, false, 1), (10, true, 2), (1, false, 5)] {
        for _ in 0..times {
            stats.seen(family);
            if selected {
                stats.selected(family);
            }
        }
    }
    assert_eq!(
        stats.to_string(),
        "inet seen 4 selected 3 left 1\n\
         inet6 seen 2 selected 2 left 0\n\
         other seen 5 selected 0 left 5\n"
    );
}
