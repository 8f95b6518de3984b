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

use crate::policy;

/// Sockets of one family since insmod.
#[derive(Default)]
struct Count {
    seen: AtomicU64,
    selected: AtomicU64,
}

/// Sockets by family since insmod, counted while the hook is attached.
#[derive(Default)]
pub struct Stats {
    inet: Count,
    inet6: Count,
    other: Count,
}

impl Stats {
    /// Counts one request of `family` (`AF_*`), made SMC or left alone.
    ///
    /// Context: any; takes no lock.
    pub fn count(&self, family: i32, selected: bool) {
        let count = match family {
            policy::AF_INET => &self.inet,
            policy::AF_INET6 => &self.inet6,
            _ => &self.other,
        };
        if selected {
            count.selected.fetch_add(1, Relaxed);
        }
        count.seen.fetch_add(1, Relaxed);
    }
}

impl fmt::Display for Stats {
    /// A line a family: `inet seen 3 selected 2 left 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = [
            ("inet", &self.inet),
            ("inet6", &self.inet6),
            ("other", &self.other),
        ];
        for (name, count) in families {
            let selected = count.selected.load(Relaxed);
            let seen = count.seen.load(Relaxed).max(selected);
            let left = seen - selected;
            writeln!(f, "{name} seen {seen} selected {selected} left {left}")?;
        }
        Ok(())
    }
}
