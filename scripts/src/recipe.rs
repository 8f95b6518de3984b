// SPDX-License-Identifier: GPL-2.0
//! The Debian roots that the lab uses, and what they are made from.

use crate::apt::SUITE;
use crate::cache::GB;

/// A root: what it is called and what it has beside apt and the essential packages.
#[derive(Debug)]
pub struct Recipe {
    /// Its directory, lock, stamp and log in the cache.
    pub(crate) name: &'static str,
    /// The step that makes it.
    pub(crate) step: &'static str,
    /// The Debian release.
    pub(crate) suite: &'static str,
    pub(crate) kind: Kind,
    pub(crate) packages: &'static [&'static [&'static str]],
    /// The bytes that it takes, with the packages that it is made from.
    pub(crate) room: u64,
}

/// What a root is for.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Programs run in it. Of these architectures there may be packages beside this machine's.
    Runs(&'static [&'static str]),
    /// Programs of this architecture are taken from it: it is only unpacked.
    Holds(&'static str),
}

/// What builds kernels and runs guests.
const LAB: &[&str] = &[
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
];

/// Of this machine's architecture.
pub(crate) static TOOLCHAIN: Recipe = Recipe {
    name: "root",
    step: "toolchain root",
    suite: SUITE,
    kind: Kind::Runs(&[]),
    packages: &[LAB],
    room: 3 * GB,
};

/// The same for arm64: clang needs nothing, the guest's programs a linker and libraries.
pub(crate) static ARM64: Recipe = Recipe {
    name: "root-arm64",
    step: "toolchain root, arm64",
    suite: SUITE,
    kind: Kind::Runs(&["arm64"]),
    packages: &[
        LAB,
        &[
            "qemu-system-arm",
            "cargo",
            "gcc-aarch64-linux-gnu",
            "libc6-dev-arm64-cross",
            "libstd-rust-dev:arm64",
        ],
    ],
    room: 4 * GB,
};

/// The programs of Debian that scenarios run.
pub(crate) static ARM64_TOOLS: Recipe = Recipe {
    name: "tools-arm64",
    step: "tools, arm64",
    suite: SUITE,
    kind: Kind::Holds("arm64"),
    packages: &[&[
        "base-files",
        "bash",
        "coreutils",
        "dash",
        "iperf3",
        "iproute2",
        "util-linux",
    ]],
    room: GB,
};

/// Real programs, as Debian ships them. What builds our own few for them is left out of
/// their image.
pub(crate) static PROGRAMS: Recipe = Recipe {
    name: "programs",
    step: "programs' root",
    suite: SUITE,
    kind: Kind::Runs(&[]),
    packages: &[&[
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
    ]],
    room: 3 * GB,
};

impl Recipe {
    /// What makes a root what it is; one of another text is made anew.
    pub(crate) fn text(&self) -> String {
        let packages = self.packages.concat().join(" ");
        let kind = match self.kind {
            Kind::Runs([]) => "apt".to_string(),
            Kind::Runs(others) => format!("apt {}", others.join(" ")),
            Kind::Holds(architecture) => format!("extract {architecture}"),
        };
        format!("{} {kind} {packages}\n", self.suite)
    }
}
