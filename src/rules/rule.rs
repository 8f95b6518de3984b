// SPDX-License-Identifier: GPL-2.0

//! The rules: who is given SMC, and where the SMC option is sent.
//!
//! Logic: against `core` and what [`crate::rules::table`] needs. Readers take no lock, and find a
//! rule from the moment that it is inserted until it is removed.

use core::sync::atomic::{
    AtomicBool,
    AtomicU64,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};

use crate::compat::array::AllocError;
use crate::compat::label::Label;
use crate::compat::rcu::{
    self,
    Guard,
    Shared, //
};
use crate::rules::name::{
    Name,
    Who, //
};
use crate::rules::policy::Action;
use crate::rules::selector::{
    Handshake,
    Selectors, //
};
use crate::rules::stats::Stats;
use crate::rules::table::{
    Key,
    Refused,
    Table, //
};

/// An [`Action`] that may change while it is read.
pub struct AtomicAction(AtomicBool);

impl AtomicAction {
    /// `action`, to begin with.
    pub const fn new(action: Action) -> Self {
        Self(AtomicBool::new(matches!(action, Action::Smc)))
    }

    /// What it is now.
    #[inline]
    pub fn get(&self) -> Action {
        match self.0.load(Relaxed) {
            true => Action::Smc,
            false => Action::Tcp,
        }
    }

    /// What it is from now on.
    pub fn set(&self, action: Action) {
        self.0.store(action == Action::Smc, Relaxed);
    }
}

/// What a rule says, and how often it has been asked.
pub struct Rule {
    /// What it says.
    pub action: AtomicAction,
    hits: AtomicU64,
}

impl Rule {
    /// A rule that says `action`.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub fn new(action: Action) -> Result<Shared<Self>, AllocError> {
        Shared::new(Self {
            action: AtomicAction::new(action),
            hits: AtomicU64::new(0),
        })
    }

    /// How many sockets or handshakes it has decided.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    /// Decides, and counts it.
    #[inline]
    fn decide(&self) -> Action {
        self.hits.fetch_add(1, Relaxed);
        self.action.get()
    }
}

/// What is asked of the task that creates a socket; each only if a rule wants to know.
pub trait Task {
    /// The ids of its cgroups in the v2 hierarchy, its own first, without the root.
    fn cgroups(&self) -> impl Iterator<Item = u64>;
    /// Its name.
    fn comm(&self) -> Label;
    /// Its effective user, as the initial user namespace counts.
    fn euid(&self) -> u32;
    /// The cookie of its network namespace.
    fn netns(&self) -> u64;
}

impl Key for Label {
    #[inline]
    fn hash(&self) -> u64 {
        Self::hash(self)
    }
}

/// The root of the v2 hierarchy, which all tasks are in or below: kernfs gives its roots this id.
const ROOT: u64 = 1;

/// All rules. Writers exclude each other by a lock of the caller's.
pub struct Rules {
    /// The sockets that were decided upon.
    pub stats: Stats,
    /// What applies to sockets that no rule covers.
    default: AtomicAction,
    cgroup: Table<u64, Shared<Rule>>,
    comm: Table<Label, Shared<Rule>>,
    uid: Table<u64, Shared<Rule>>,
    netns: Table<u64, Shared<Rule>>,
    /// Whether anything but a rule about a cgroup below the root could make a socket SMC.
    others: AtomicBool,
    handshake: Selectors<Shared<Rule>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            stats: Stats::default(),
            default: AtomicAction::new(Action::Tcp),
            cgroup: Table::default(),
            comm: Table::default(),
            uid: Table::default(),
            netns: Table::default(),
            others: AtomicBool::new(false),
            handshake: Selectors::default(),
        }
    }
}

impl Rules {
    /// What becomes of a socket of `task`: what the rule of its nearest cgroup says, or else
    /// that of its name, its user, its network namespace, and then `default`.
    ///
    /// Context: any; does not sleep.
    #[inline]
    pub fn who(&self, task: impl Task, guard: &Guard) -> Action {
        let others = self.others.load(Acquire);
        match others || self.cgroup.may_have(|| task.cgroups(), guard) {
            true => self.most_specific(task, guard),
            false => Action::Tcp,
        }
    }

    /// The same. Apart, so that what goes before is short: mostly it says no.
    #[inline(never)]
    fn most_specific(&self, task: impl Task, guard: &Guard) -> Action {
        let cgroups = || task.cgroups().chain([ROOT]);
        let rule = self.cgroup.first(cgroups, guard);
        let rule = rule.or_else(|| self.comm.get(|| task.comm(), guard));
        let rule = rule.or_else(|| self.uid.get(|| task.euid().into(), guard));
        let rule = rule.or_else(|| self.netns.get(|| task.netns(), guard));
        rule.map_or_else(|| self.default.get(), |rule| rule.decide())
    }

    /// Whether a SYN or SYN-ACK carries the SMC option: what the most specific rule says, and
    /// without one it does.
    ///
    /// Context: any; does not sleep.
    #[inline]
    pub fn handshake(&self, handshake: &impl Handshake, guard: &Guard) -> Action {
        let rule = self.handshake.get(handshake, guard);
        rule.map_or(Action::Smc, |rule| rule.decide())
    }

    /// Adds a rule; it decides from now on.
    ///
    /// # Errors
    ///
    /// [`Refused`], and nothing has changed.
    ///
    /// Context: process context, may sleep.
    pub fn insert(&self, name: &Name, rule: Shared<Rule>) -> Result<(), Refused> {
        let inserted = match name {
            Name::Who(Who::Cgroup(id)) => self.cgroup.insert(*id, rule),
            Name::Who(Who::Comm(comm)) => self.comm.insert(*comm, rule),
            Name::Who(Who::Uid(uid)) => self.uid.insert((*uid).into(), rule),
            Name::Who(Who::Netns(cookie)) => self.netns.insert(*cookie, rule),
            Name::Handshake(selector) => self.handshake.insert(selector, rule),
        };
        self.look_at_others();
        inserted
    }

    /// Takes a rule away; it decides nothing any more, but for what is being decided now.
    ///
    /// Context: process context, may sleep.
    pub fn remove(&self, name: &Name) {
        match name {
            Name::Who(Who::Cgroup(id)) => self.cgroup.remove(id),
            Name::Who(Who::Comm(comm)) => self.comm.remove(comm),
            Name::Who(Who::Uid(uid)) => self.uid.remove(&(*uid).into()),
            Name::Who(Who::Netns(cookie)) => self.netns.remove(cookie),
            Name::Handshake(selector) => self.handshake.remove(selector),
        }
        self.look_at_others();
    }

    /// What applies to sockets that no rule covers.
    pub fn default_action(&self) -> Action {
        self.default.get()
    }

    /// From the return on, `action` does.
    pub fn set_default_action(&self, action: Action) {
        self.default.set(action);
        self.look_at_others();
    }

    /// After something has changed.
    fn look_at_others(&self) {
        let none = self.comm.is_empty() && self.uid.is_empty() && self.netns.is_empty();
        let all = self.cgroup.get(|| ROOT, &rcu::read_lock()).is_some();
        let others = !none || all || self.default_action() == Action::Smc;
        self.others.store(others, Release);
    }

    /// How many rules are about handshakes.
    pub fn handshakes(&self) -> usize {
        self.handshake.count()
    }
}
