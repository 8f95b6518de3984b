// SPDX-License-Identifier: GPL-2.0
//! The host's time stamp counter, which TCG hands on to its guests.

use std::arch::x86_64::_rdtsc;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

/// Between the two looks at the counter.
const INTERVAL: Duration = Duration::from_millis(50);
/// How often a look is taken: the shortest counts, as one that nothing came between.
const LOOKS: usize = 32;

/// How many times it counts in a millisecond.
pub fn khz() -> u64 {
    static KHZ: OnceLock<u64> = OnceLock::new();
    *KHZ.get_or_init(measure)
}

fn measure() -> u64 {
    let (begin, first) = look();
    sleep(INTERVAL);
    let (end, last) = look();
    let ticks = u128::from(last.saturating_sub(first));
    let khz = ticks * 1_000_000 / (end - begin).as_nanos();
    u64::try_from(khz).unwrap_or_default()
}

/// The time, and what the counter said then.
fn look() -> (Instant, u64) {
    let mut best = (u64::MAX, Instant::now(), 0);
    for _ in 0..LOOKS {
        let (before, now, after) = (count(), Instant::now(), count());
        let took = after.saturating_sub(before);
        if took < best.0 {
            best = (took, now, before + took / 2);
        }
    }
    (best.1, best.2)
}

fn count() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and reading it changes nothing.
    unsafe { _rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_measurements_agree() {
        let (one, other) = (measure(), measure());
        assert!(one > 100_000, "{one} kHz");
        assert!(one.abs_diff(other) * 100 < one, "{one} and {other} kHz");
    }
}
