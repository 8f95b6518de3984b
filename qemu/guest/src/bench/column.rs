// SPDX-License-Identifier: GPL-2.0
//! The columns: what there is to choose from, each set up and taken away again.

use super::program;
use super::program::Expected;
use super::program::TCP;
use crate::kernel::bpf::cgroup_rule::CgroupRule;
use crate::kernel::cgroup::Cgroup;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Result;
use anyhow::ensure;
use guest::measure::Operation;
use guest::measure::Order;
use smc_netlink::diag::AF_SMC;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;

const IPPROTO_SMC: i32 = 256;

/// What is set up, and how the program asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Column {
    /// Plain TCP.
    Nothing,
    /// smcify, idle.
    Idle,
    /// smcify, with a rule about another cgroup.
    Unmatched,
    /// smcify, with a rule about this cgroup.
    Selected,
    /// The same without the live fixes that this kernel needs.
    Unfixed,
    /// The program asks for `IPPROTO_SMC`.
    Explicit,
    /// A BPF program with another cgroup in its map.
    BpfUnmatched,
    /// A BPF program with this cgroup in its map.
    BpfSelected,
    /// `LD_PRELOAD`, in the manner of smc_run.
    Preload,
    /// `TCP_ULP "smc"`.
    Ulp,
}

/// What is there while a column is measured. Dropped from top to bottom.
#[derive(Default)]
struct There {
    _rule: Option<Rule>,
    _smcify: Option<Smcify>,
    _bpf: Option<CgroupRule>,
}

impl There {
    /// Switches off what is active. Fails if that is nothing: the column is another's then.
    fn without_fixes(self) -> Result<Self> {
        if let Some(smcify) = &self._smcify {
            let active = smcify
                .fixes()?
                .into_iter()
                .filter(|it| it.state == "active");
            let active: Vec<_> = active.collect();
            ensure!(!active.is_empty(), "no live fix is active");
            for fix in active {
                smcify.set_fix(&fix.function, "off")?;
            }
        }
        Ok(self)
    }
}

impl Column {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Nothing,
        Self::Idle,
        Self::Unmatched,
        Self::Selected,
        Self::Unfixed,
        Self::Explicit,
        Self::BpfUnmatched,
        Self::BpfSelected,
        Self::Preload,
        Self::Ulp,
    ];

    /// What the lab calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Idle => "idle",
            Self::Unmatched => "unmatched",
            Self::Selected => "selected",
            Self::Unfixed => "unfixed",
            Self::Explicit => "explicit",
            Self::BpfUnmatched => "bpf-unmatched",
            Self::BpfSelected => "bpf-selected",
            Self::Preload => "preload",
            Self::Ulp => "ulp",
        }
    }

    /// Whether the program's TCP sockets become SMC.
    fn is_smc(self) -> bool {
        !matches!(
            self,
            Self::Nothing | Self::Idle | Self::Unmatched | Self::BpfUnmatched
        )
    }

    /// Calls `measure` with all set up, for what runs in `own` and not in `other`. An error
    /// says that the kernel does not have it.
    pub fn with<T>(
        self,
        own: &Cgroup,
        other: &Cgroup,
        measure: impl FnOnce() -> Result<T>,
    ) -> Result<Result<T>> {
        let smcify = |cgroup: &Cgroup| -> Result<There> {
            let _smcify = Some(Smcify::load()?);
            let _rule = Some(Rule::add(&format!("cgroup:{}", cgroup.id()?))?);
            Ok(There {
                _rule,
                _smcify,
                ..There::default()
            })
        };
        let bpf = |cgroup: &Cgroup| -> Result<There> {
            let _bpf = Some(CgroupRule::attach(cgroup.id()?)?);
            Ok(There {
                _bpf,
                ..There::default()
            })
        };
        let there = match self {
            Self::Nothing | Self::Explicit | Self::Preload => Ok(There::default()),
            Self::Idle => Smcify::load().map(|it| There {
                _smcify: Some(it),
                ..There::default()
            }),
            Self::Unmatched => smcify(other),
            Self::Selected => smcify(own),
            Self::Unfixed => smcify(own).and_then(There::without_fixes),
            Self::BpfUnmatched => bpf(other),
            Self::BpfSelected => bpf(own),
            Self::Ulp => ulp().map(|()| There::default()),
        };
        let there = match there {
            Ok(there) => there,
            Err(why) => return Ok(Err(why)),
        };
        let measured = own.with(measure)?;
        drop(there);
        Ok(Ok(measured))
    }

    /// What `operation` takes on sockets that ask for TCP, or for SMC themselves.
    pub fn measure(self, operation: Operation) -> Result<f64> {
        let order = Order {
            operation,
            protocol: match self {
                Self::Explicit => IPPROTO_SMC,
                _ => TCP.protocol,
            },
            ulp: self == Self::Ulp,
            ..TCP
        };
        let of_its_own = matches!(self, Self::Preload | Self::Ulp);
        let expected = Expected {
            preload: self == Self::Preload,
            domain: if of_its_own { AF_SMC } else { order.domain },
            protocol: match self.is_smc() {
                true if of_its_own => 0,
                true => IPPROTO_SMC,
                false => libc::IPPROTO_TCP,
            },
            carrier: if self.is_smc() { "SMC-D" } else { "TCP" },
        };
        program::measure(&order, &expected)
    }
}

/// Fails unless the kernel has `TCP_ULP "smc"`.
fn ulp() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    Ok(crate::kernel::ulp::ask(&socket)?)
}
