// SPDX-License-Identifier: GPL-2.0

//! What the creation hook has seen, counted by address family.
//!
//! Logic: against `core` alone. The counters are relaxed: each is exact, but two of
//! them read one after the other may lie a socket apart.

use core::fmt;
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};

use crate::rules::policy;

/// Sockets of one family since insmod. Each is seen before it is selected.
#[derive(Default)]
struct Count {
    seen: AtomicU64,
    selected: AtomicU64,
}

/// Sockets by family since insmod, counted while the hook is attached.
#[derive(Default)]
pub struct Stats {
    inet: [Count; 2],
    other: Count,
}

impl Stats {
    /// Counts a request of `family` (`AF_*`).
    ///
    /// Context: any; takes no lock.
    #[inline]
    pub fn seen(&self, family: i32) {
        match family {
            policy::AF_INET | policy::AF_INET6 => self.seen_inet(family),
            _ => {
                self.other.seen.fetch_add(1, Relaxed);
            }
        }
    }

    /// The same of `AF_INET` or `AF_INET6`.
    ///
    /// Context: any; takes no lock.
    #[inline]
    pub fn seen_inet(&self, family: i32) {
        self.inet(family).seen.fetch_add(1, Relaxed);
    }

    /// Counts that one of `family`, `AF_INET` or `AF_INET6`, is made SMC, which was seen before.
    ///
    /// Context: any; takes no lock.
    #[inline]
    pub fn selected(&self, family: i32) {
        self.inet(family).selected.fetch_add(1, Relaxed);
    }

    /// That of `AF_INET` or `AF_INET6`, which are told apart by one bit.
    #[inline]
    fn inet(&self, family: i32) -> &Count {
        let [inet, inet6] = &self.inet;
        match family & (policy::AF_INET ^ policy::AF_INET6) {
            0 => inet,
            _ => inet6,
        }
    }
}

impl fmt::Display for Stats {
    /// A line a family: `inet seen 3 selected 2 left 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [inet, inet6] = &self.inet;
        let families = [("inet", inet), ("inet6", inet6), ("other", &self.other)];
        for (name, count) in families {
            let selected = count.selected.load(Relaxed);
            let seen = count.seen.load(Relaxed).max(selected);
            let left = seen - selected;
            writeln!(f, "{name} seen {seen} selected {selected} left {left}")?;
        }
        Ok(())
    }
}
