// SPDX-License-Identifier: GPL-2.0
//! The kernels that the lab builds: what each is made from.

use crate::recipe;
use crate::recipe::Recipe as Root;
use crate::source;
use crate::source::Source;

/// A build of the lab's own.
#[derive(Debug)]
pub struct Recipe {
    /// What it is called on the command line, and its directory in the cache.
    pub name: &'static str,
    /// What it is, in the words of a table.
    pub what: &'static str,
    /// Why the lab builds it and does not boot it, if so.
    pub not_booted: Option<&'static str>,
    pub(crate) source: &'static Source,
    pub(crate) arch: Arch,
    pub(crate) compiler: Compiler,
    pub(crate) base: Base,
    /// Files of `qemu/configs`; of two lines for one option, the last counts.
    pub(crate) fragments: &'static [&'static str],
}

/// An architecture that kernels are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    X86,
    Arm64,
    S390,
}

/// What builds a kernel's C, and the modules for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    Clang,
    Gcc,
}

impl Recipe {
    /// The version of Linux.
    pub fn version(&self) -> &'static str {
        self.source.version
    }
}

impl Arch {
    /// What builds its kernels, where that is not the toolchain root.
    pub(crate) fn toolchain(self) -> Option<&'static Root> {
        match self {
            Arch::X86 | Arch::Arm64 => None,
            Arch::S390 => Some(&recipe::TOOLCHAIN_S390),
        }
    }

    /// What makes and runs its guests, where that is not the toolchain root.
    pub(crate) fn cross(self) -> Option<&'static Root> {
        match self {
            Arch::X86 | Arch::S390 => None,
            Arch::Arm64 => Some(&recipe::CROSS_ARM64),
        }
    }

    /// What Debian's programs of its guests are taken from, where that is not the toolchain root.
    pub(crate) fn tools(self) -> Option<&'static Root> {
        match self {
            Arch::X86 | Arch::S390 => None,
            Arch::Arm64 => Some(&recipe::TOOLS_ARM64),
        }
    }

    /// What Rust calls Linux on it.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.gnu())
    }

    /// That of the kernel with this configuration.
    pub(crate) fn of(config: &str) -> Arch {
        let has = |line| config.lines().any(|it| it == line);
        match () {
            () if has("CONFIG_ARM64=y") => Arch::Arm64,
            () if has("CONFIG_S390=y") => Arch::S390,
            () => Arch::X86,
        }
    }

    /// What kbuild calls it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm64 => "arm64",
            Arch::S390 => "s390",
        }
    }

    /// What GNU calls it.
    pub fn gnu(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm64 => "aarch64",
            Arch::S390 => "s390x",
        }
    }

    /// The image that QEMU boots, below the build directory.
    pub(crate) fn image(self) -> &'static str {
        match self {
            Arch::X86 => "arch/x86/boot/bzImage",
            Arch::Arm64 => "arch/arm64/boot/Image",
            Arch::S390 => "arch/s390/boot/bzImage",
        }
    }
}

impl Compiler {
    /// That of the kernel with this configuration.
    pub(crate) fn of(config: &str) -> Compiler {
        match config.lines().any(|line| line == "CONFIG_CC_IS_GCC=y") {
            true => Compiler::Gcc,
            false => Compiler::Clang,
        }
    }

    /// What `make` is told, for the kernel and for its modules.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Compiler::Clang => &["LLVM=1"],
            Compiler::Gcc => &[],
        }
    }
}

/// What the fragments are merged over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// `allnoconfig`.
    Nothing,
    /// Debian's configuration of this name, less what is a module there.
    Debian(&'static str),
}

/// What a recipe is unless it says otherwise: clang's, for this machine, from nothing.
const LAB: Recipe = Recipe {
    name: "",
    what: "",
    not_booted: None,
    source: &source::V7_3,
    arch: Arch::X86,
    compiler: Compiler::Clang,
    base: Base::Nothing,
    fragments: &[],
};

/// Where the bugs in SMC are fixed; with lockdep.
pub(crate) static FIXED: Recipe = Recipe {
    name: "fixed",
    what: "KASAN, kmemleak, lockdep",
    fragments: &[
        "kernel.config",
        "debug.config",
        "lockdep.config",
        "dibs.config",
        "hs_ctrl.config",
    ],
    ..LAB
};

/// Where they are not.
pub(crate) static VULNERABLE: Recipe = Recipe {
    name: "vulnerable",
    what: "KASAN, kmemleak",
    source: &source::V6_16,
    fragments: &["kernel.config", "debug.config", "vulnerable.config"],
    ..LAB
};

/// For what is measured, and for what takes long.
pub(crate) static PLAIN: Recipe = Recipe {
    name: "plain",
    what: "no debugging",
    fragments: &[
        "kernel.config",
        "dibs.config",
        "hs_ctrl.config",
        "plain.config",
    ],
    ..LAB
};

/// For what is measured of the ULP that 7.0 removed.
pub(crate) static PLAIN_VULNERABLE: Recipe = Recipe {
    name: "plain-vulnerable",
    what: "no debugging",
    source: &source::V6_16,
    fragments: &["kernel.config", "vulnerable.config", "plain.config"],
    ..LAB
};

/// As distributions build it.
pub(crate) static DISTRO: Recipe = Recipe {
    name: "distro",
    what: "Debian's configuration and SMC",
    compiler: Compiler::Gcc,
    base: Base::Debian("amd64_none_amd64"),
    fragments: &["distro.config"],
    ..LAB
};

static DISTRO_MODVERSIONS: Recipe = Recipe {
    name: "distro-modversions",
    what: "the same, MODVERSIONS by GENDWARFKSYMS",
    fragments: &["distro.config", "modversions.config"],
    ..DISTRO
};

static RT: Recipe = Recipe {
    name: "rt",
    what: "PREEMPT_RT, KASAN, lockdep",
    fragments: &[
        "kernel.config",
        "debug.config",
        "lockdep.config",
        "dibs.config",
        "hs_ctrl.config",
        "rt.config",
    ],
    ..LAB
};

static V7_2: Recipe = Recipe {
    name: "7.2",
    what: "KASAN, kmemleak, lockdep",
    source: &source::V7_2,
    ..FIXED
};

static V6_18: Recipe = Recipe {
    name: "6.18",
    what: "KASAN, kmemleak",
    source: &source::V6_18,
    fragments: &["kernel.config", "debug.config", "dibs.config"],
    ..LAB
};

static ARM64: Recipe = Recipe {
    name: "arm64",
    what: "no debugging",
    arch: Arch::Arm64,
    fragments: &[
        "kernel.config",
        "dibs.config",
        "hs_ctrl.config",
        "plain.config",
        "arm64.config",
    ],
    ..LAB
};

static S390: Recipe = Recipe {
    name: "s390",
    what: "no debugging",
    not_booted: Some("Debian's packages for s390x were not to be had, of which a guest is made"),
    arch: Arch::S390,
    fragments: &[
        "kernel.config",
        "dibs.config",
        "hs_ctrl.config",
        "plain.config",
        "s390.config",
    ],
    ..LAB
};

/// The rows of `lab matrix`, in the order of its table.
pub(crate) static MATRIX: [&Recipe; 9] = [
    &DISTRO,
    &DISTRO_MODVERSIONS,
    &FIXED,
    &RT,
    &V7_2,
    &V6_18,
    &VULNERABLE,
    &ARM64,
    &S390,
];

/// Every recipe.
pub(crate) static ALL: [&Recipe; 11] = [
    &FIXED,
    &VULNERABLE,
    &PLAIN,
    &PLAIN_VULNERABLE,
    &DISTRO,
    &DISTRO_MODVERSIONS,
    &RT,
    &V7_2,
    &V6_18,
    &ARM64,
    &S390,
];
