// SPDX-License-Identifier: GPL-2.0
//! Looking for leaked kernel memory.

use std::fs::read_to_string;
use std::fs::write;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const FILE: &str = "/sys/kernel/debug/kmemleak";

/// Objects younger than this are not reported (kernel: `jiffies_min_age`).
const MIN_AGE: Duration = Duration::from_millis(5_200);

/// Whether the kernel looks for any: one with KASAN and the like.
pub fn is_there() -> bool {
    Path::new(FILE).exists()
}

/// Forgets what has been reported so far.
pub fn clear() -> std::io::Result<()> {
    write(FILE, "clear")
}

/// How often is scanned. In its first scan the kernel takes each new object for a
/// changing one, and reports none; the second still misses some of what the third reports.
const SCANS: usize = 3;

/// Waits until everything is old enough, scans, and returns the reports.
pub fn scan() -> std::io::Result<String> {
    sleep(MIN_AGE);
    for _ in 0..SCANS {
        write(FILE, "scan")?;
    }
    read_to_string(FILE)
}
