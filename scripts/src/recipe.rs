// SPDX-License-Identifier: GPL-2.0
//! The Debian roots that the lab uses, and what they are made from.

use crate::apt::SUITE;
use crate::cache::GB;

/// A root: what it is called and what it has beside apt and the essential packages.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// Its directory, lock, stamp and log in the cache.
    pub name: &'static str,
    /// The step that makes it.
    pub step: &'static str,
    pub packages: &'static [&'static str],
    /// The bytes that it takes, with the packages that it is made from.
    pub room: u64,
}

/// What builds kernels and runs guests.
pub(crate) const TOOLCHAIN: Recipe = Recipe {
    name: "root",
    step: "toolchain root",
    packages: &[
        // Kernel builds, with Rust, BTF and objtool.
        "make",
        "gcc",
        "libc6-dev",
        "clang",
        "lld",
        "llvm",
        "libclang-dev",
        "rustc",
        "rust-src",
        "rust-clippy",
        "rustfmt",
        "bindgen",
        "pahole",
        "bc",
        "bison",
        "flex",
        "libelf-dev",
        "libssl-dev",
        "xz-utils",
        "zstd",
        "lz4",
        "ccache",
        "python3",
        "perl",
        "kmod",
        "rsync",
        "cpio",
        // The lab: machines, and the programs that run in them.
        "qemu-system-x86",
        "virtme-ng",
        "iproute2",
        "udev",
        "mount",
        "procps",
        "iperf3",
        "bpftool",
        "ca-certificates",
        // Semantic patches; what they report goes through Python.
        "coccinelle",
        "libpython3.13",
    ],
    room: 3 * GB,
};

/// Real programs, as Debian ships them. What builds our own few for them is left out of
/// their image.
pub(crate) const PROGRAMS: Recipe = Recipe {
    name: "programs",
    step: "programs' root",
    packages: &[
        "redis-server",
        "redis-tools",
        "nginx",
        "wrk",
        "postgresql-17",
        "memcached",
        "libmemcached-tools",
        "haproxy",
        "openssh-server",
        "openssh-client",
        // Else that one brings all of systemd.
        "systemd-standalone-sysusers",
        "curl",
        "iperf3",
        "netperf",
        "nodejs",
        "openssl",
        "iproute2",
        "procps",
        "python3",
        "libpython3.13-testsuite",
        "openjdk-21-jre-headless",
        // These make the image and what is ours in it.
        "openjdk-21-jdk-headless",
        "golang-go",
        "erofs-utils",
    ],
    room: 3 * GB,
};

impl Recipe {
    /// What makes a root what it is; one of another text is made anew.
    pub fn text(&self) -> String {
        format!("{SUITE} apt {}\n", self.packages.join(" "))
    }
}
