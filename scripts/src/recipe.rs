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
    /// What Debian's [`SUITE`] is backed up by: where this has a package as well, it is this one's.
    pub(crate) backports: Option<&'static str>,
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

/// What builds kernels, with Rust, BTF and objtool.
const BUILD: &[&str] = &[
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
    "libdw-dev",
    "libelf-dev",
    "libssl-dev",
    "xz-utils",
    "zstd",
    "lz4",
    "python3",
    "perl",
    "kmod",
    "rsync",
    "cpio",
];

/// What runs guests, and the programs that run in them.
const LAB: &[&str] = &[
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
    backports: None,
    kind: Kind::Runs(&[]),
    packages: &[BUILD, LAB],
    room: 3 * GB,
};

/// What builds kernels for s390x, which take a later Rust than that.
pub(crate) static TOOLCHAIN_S390: Recipe = Recipe {
    name: "root-s390",
    step: "toolchain root, s390",
    backports: Some("trixie-backports"),
    kind: Kind::Runs(&[]),
    packages: &[BUILD],
    room: 3 * GB,
};

/// What makes and runs guests of arm64.
pub(crate) static CROSS_ARM64: Recipe = Recipe {
    name: "cross-arm64",
    step: "cross root, arm64",
    backports: None,
    kind: Kind::Runs(&["arm64"]),
    packages: &[&[
        "qemu-system-arm",
        "cargo",
        "gcc-aarch64-linux-gnu",
        "libc6-dev-arm64-cross",
        "libstd-rust-dev:arm64",
    ]],
    room: 2 * GB,
};

/// The programs of Debian that scenarios run.
const TOOLS: &[&str] = &[
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "iperf3",
    "iproute2",
    "util-linux",
];

pub(crate) static TOOLS_ARM64: Recipe = Recipe {
    name: "tools-arm64",
    step: "tools, arm64",
    backports: None,
    kind: Kind::Holds("arm64"),
    packages: &[TOOLS],
    room: GB,
};

/// Real programs, as Debian ships them. What builds our own few for them is left out of
/// their image.
pub(crate) static PROGRAMS: Recipe = Recipe {
    name: "programs",
    step: "programs' root",
    backports: None,
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
        let suite = match self.backports {
            None => SUITE.to_string(),
            Some(backports) => format!("{SUITE} {backports}"),
        };
        format!("{suite} {kind} {packages}\n")
    }
}
