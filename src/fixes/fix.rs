// SPDX-License-Identifier: GPL-2.0

//! The live fixes: what smcify changes in a kernel that has the bugs it is about.
//!
//! Logic. `smc_ulp_init()` is refused: where it exists at all it exchanges the inode of an open
//! file. `smc_clc_prfx_match()` is replaced by [`super::prefix_match`]. Of the functions that
//! keep a device while they sleep, the device is held for the length of each call. The fifth
//! of the upstream series, `smc_clc_prfx_set()`, needs nothing: it only tests the device
//! outside of RCU, and everything that it calls loads it anew.

use core::fmt;

use kernel::prelude::*;

use super::binding::{
    self,
    PrfxMatch, //
};
use crate::trace::{
    Anchor,
    Held,
    Hold,
    Redirect,
    Replacement, //
};

/// How a fix is made.
#[derive(Clone, Copy)]
enum Kind {
    /// Another function in the function's place.
    Replace(Replacement),
    /// The device held for the length of each call.
    Hold(Held),
}

/// When the running kernel is known to lack the fix.
#[derive(Clone, Copy)]
enum Lacks {
    /// If the function is there: upstream removed it.
    Always,
    /// If it lacks the series "net: smc: use dst_dev_rcu()".
    Series,
}

/// Every fix, in the order in which they are shown.
const FIXES: [(Kind, Lacks); 5] = [
    (Kind::Replace(binding::ULP_INIT), Lacks::Always),
    (Kind::Replace(binding::PRFX_MATCH), Lacks::Series),
    (Kind::Hold(binding::VLAN_BY_TCPSK), Lacks::Series),
    (Kind::Hold(binding::FIND_ISM), Lacks::Series),
    (Kind::Hold(binding::FIND_ROCE), Lacks::Series),
];

/// A fix that is in force until it is dropped.
enum Attached {
    Redirect(#[allow(dead_code)] Pin<KBox<Redirect>>),
    Hold(#[allow(dead_code)] Pin<KBox<Hold>>),
}

impl Kind {
    fn function(&self) -> &'static str {
        match self {
            Self::Replace(replacement) => replacement.function(),
            Self::Hold(held) => held.function(),
        }
    }

    fn attach(self) -> Result<Attached> {
        Ok(match self {
            Self::Replace(it) => {
                let redirect = KBox::try_pin_init(Redirect::new(it), GFP_KERNEL);
                if let Err(EBUSY) = redirect {
                    // Or is it that ftrace is switched off?
                    KBox::try_pin_init(Anchor::new(it.function()), GFP_KERNEL)?;
                }
                Attached::Redirect(redirect?)
            }
            Self::Hold(it) => Attached::Hold(KBox::try_pin_init(Hold::new(it), GFP_KERNEL)?),
        })
    }
}

/// What is wanted of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In force where the running kernel is known to lack it upstream.
    Auto,
    /// In force wherever the function exists.
    On,
    /// Not in force.
    Off,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Auto, Self::On, Self::Off];

    /// The name that configfs shows and takes.
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// What has become of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In force.
    Active,
    /// The running kernel has it, or cannot be shown to lack it.
    NotNeeded,
    /// The running kernel has no such function.
    Absent,
    /// Somebody else has redirected the function, a livepatch for one.
    Busy,
    /// Switched off.
    Inactive,
}

impl State {
    /// The name that configfs shows.
    const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NotNeeded => "not needed",
            Self::Absent => "absent",
            Self::Busy => "busy",
            Self::Inactive => "inactive",
        }
    }
}

struct Fix {
    kind: Kind,
    lacks: Lacks,
    mode: Mode,
    state: State,
    attached: Option<Attached>,
}

impl Fix {
    /// Brings the fix to what `mode` asks for.
    fn set(&mut self, mode: Mode, series: bool) -> Result {
        let wanted = match (mode, self.lacks) {
            (Mode::On, _) | (Mode::Auto, Lacks::Always) => true,
            (Mode::Auto, Lacks::Series) => series,
            (Mode::Off, _) => false,
        };
        self.state = match (wanted, &self.attached) {
            (true, Some(_)) => State::Active,
            (true, None) => self.attach()?,
            (false, _) => {
                self.attached = None;
                match mode {
                    Mode::Off => State::Inactive,
                    _ => State::NotNeeded,
                }
            }
        };
        self.mode = mode;
        Ok(())
    }

    fn attach(&mut self) -> Result<State> {
        let function = self.kind.function();
        match self.kind.attach() {
            Ok(attached) => {
                self.attached = Some(attached);
                Ok(State::Active)
            }
            Err(ENOENT) => Ok(State::Absent),
            Err(EBUSY) => {
                pr_warn!("{function}() is somebody else's, a livepatch's for one: left alone\n");
                Ok(State::Busy)
            }
            Err(error) => {
                pr_err!("{function}() cannot be fixed: {error:?}\n");
                Err(error)
            }
        }
    }
}

/// Whether the running kernel lacks the series; not if it cannot be asked.
fn lacks_series() -> Result<bool> {
    match PrfxMatch::find() {
        Ok(kernels) => kernels.is_unfixed(),
        Err(ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// All fixes. Dropping them takes off what is in force, and waits for the calls under way.
pub struct Fixes {
    /// The running kernel lacks the upstream series.
    series: bool,
    fixes: [Fix; FIXES.len()],
}

impl Fixes {
    /// Asks the running kernel what it lacks, and has in force what that is.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or what the socket layer or ftrace answers, when the kernel log says why.
    /// A function that is absent, or that somebody else has redirected, is none.
    ///
    /// Context: process context, may sleep.
    pub fn new() -> Result<Self> {
        let mut new = Self {
            series: lacks_series().inspect_err(|error| {
                pr_err!("this kernel cannot be asked what it lacks: {error:?}\n");
            })?,
            fixes: FIXES.map(|(kind, lacks)| Fix {
                kind,
                lacks,
                mode: Mode::Off,
                state: State::Inactive,
                attached: None,
            }),
        };
        for fix in &mut new.fixes {
            fix.set(Mode::Auto, new.series)?;
        }
        Ok(new)
    }

    /// Takes a line as configfs is given it: the function's name, a space, the mode.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such function or mode, otherwise those of [`Self::new`]; the
    /// fix then stays as it was, or is not in force.
    ///
    /// Context: process context. May sleep, when a fix is taken off for as long as the calls
    /// under way.
    pub fn set(&mut self, line: &[u8]) -> Result {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (mut words, series) = (line.split(|byte| *byte == b' '), self.series);
        let (Some(function), Some(mode), None) = (words.next(), words.next(), words.next()) else {
            return Err(EINVAL);
        };
        let named = |fix: &&mut Fix| fix.kind.function().as_bytes() == function;
        let fix = self.fixes.iter_mut().find(named).ok_or(EINVAL)?;
        let spelt = |it: &&Mode| it.name().as_bytes() == mode;
        let mode = Mode::ALL.iter().find(spelt).ok_or(EINVAL)?;
        fix.set(*mode, series)
    }
}

impl fmt::Display for Fixes {
    /// One line for each: the function, the mode, the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fixes.iter().try_for_each(|fix| {
            let (mode, state) = (fix.mode.name(), fix.state.name());
            writeln!(f, "{} {mode} {state}", fix.kind.function())
        })
    }
}
