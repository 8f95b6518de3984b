// SPDX-License-Identifier: GPL-2.0
//! Kernel memory that rules take: what kmalloc() and vmalloc() have given out. For directories
//! configfs itself mostly has caches of its own, which do not count.

use anyhow::Context;
use anyhow::Result;
use std::fs::read_to_string;
use std::thread::sleep;
use std::time::Duration;

const MEMINFO: &str = "/proc/meminfo";
const SLABINFO: &str = "/proc/slabinfo";
const PAGE: f64 = 4096.0;
/// Until RCU has freed what was replaced.
const GRACE: Duration = Duration::from_secs(1);

/// Memory of the kinds that rules are in, in bytes: differences count.
pub fn of_rules() -> Result<f64> {
    sleep(GRACE);
    let (mut objects, mut slabs) = (0.0, 0.0);
    // Two lines say what the columns are.
    for line in read_to_string(SLABINFO).context(SLABINFO)?.lines().skip(2) {
        let cache = Cache::parse(line).with_context(|| format!("{SLABINFO}: {line}"))?;
        if line.starts_with("kmalloc-") {
            objects += cache.objects * cache.size;
        }
        slabs += cache.pages * PAGE;
    }
    let meminfo = read_to_string(MEMINFO).context(MEMINFO)?;
    // What is too large for a cache is in no line, but in the sum.
    let large = kib(&meminfo, "Slab:")? - slabs;
    Ok(objects + large + kib(&meminfo, "VmallocUsed:")?)
}

/// A line of `/proc/slabinfo`.
struct Cache {
    /// In use, and the size of each in bytes.
    objects: f64,
    size: f64,
    pages: f64,
}

impl Cache {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at)?.parse::<f64>().ok();
        Some(Self {
            objects: number(1)?,
            size: number(3)?,
            pages: number(5)? * number(14)?,
        })
    }
}

fn kib(meminfo: &str, name: &str) -> Result<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(number.with_context(|| format!("{MEMINFO}: {name}"))? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_cache() {
        let line = "kmalloc-64  1024 1088 64 64 1 : tunables 0 0 0 : slabdata 17 17 0";
        let cache = Cache::parse(line).expect("a cache");
        assert_eq!(
            (cache.objects, cache.size, cache.pages),
            (1024.0, 64.0, 17.0)
        );
        assert!(Cache::parse("# name").is_none());
        assert_eq!(kib("Slab:  12 kB\n", "Slab:").ok(), Some(12_288.0));
    }
}
