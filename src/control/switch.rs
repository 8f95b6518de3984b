// SPDX-License-Identifier: GPL-2.0

//! What the rules need of the kernel: the creation hook is attached while something can
//! become SMC, the handshake hook published while there are rules about handshakes, and only
//! then.
//!
//! Logic. Every method runs in process context and may sleep.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{
    Arc,
    Mutex, //
};

use crate::compat::rcu::Shared;
use crate::handshake::Publication;
use crate::hook::{
    self,
    Hook, //
};
use crate::rules::name::Name;
use crate::rules::policy::Action;
use crate::rules::stats::Stats;
use crate::rules::table::Refused;
use crate::rules::{
    Rule,
    Rules, //
};

/// The rules, and what is attached for them.
#[pin_data]
pub struct Switch {
    rules: Arc<Rules>,
    #[pin]
    attached: Mutex<Attached>,
}

/// Locked while a rule is changed.
struct Attached {
    /// How many say `smc`, of the rules about tasks and of `default`.
    say_smc: usize,
    /// Attached while any does.
    hook: Option<Pin<KBox<Hook>>>,
    /// Published while there is a rule about handshakes, whatever it says.
    handshake: Publication<Arc<Rules>>,
}

impl Switch {
    /// No rules; `default` is `tcp`; nothing is attached.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            rules: Arc::new(Rules::default(), GFP_KERNEL)?,
            attached <- new_mutex!(Attached {
                say_smc: 0,
                hook: None,
                handshake: Publication::idle(),
            }),
        })
    }

    /// Calls `see` with where the handshake hook is published; no rule changes meanwhile.
    pub fn with_handshake<T>(&self, see: impl FnOnce(&Publication<Arc<Rules>>) -> T) -> T {
        see(&self.attached.lock().handshake)
    }

    /// What the hook has seen.
    pub fn stats(&self) -> &Stats {
        &self.rules.stats
    }

    /// What becomes of sockets that no rule covers.
    pub fn default(&self) -> Action {
        self.rules.default_action()
    }

    /// From the return on, each socket that no rule covers is `action`.
    ///
    /// # Errors
    ///
    /// Those of [`hook::attach`], and nothing has changed.
    pub fn set_default(&self, action: Action) -> Result {
        let mut attached = self.attached.lock();
        self.say(&mut attached, self.default(), action)?;
        self.rules.set_default_action(action);
        Ok(())
    }

    /// From the return on, `rule` decides on what `name` covers.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: there is one that covers the same.
    /// - `EOPNOTSUPP`: the kernel cannot serve it.
    /// - `ENOMEM`, and those of [`hook::attach`] and [`Publication::publish`].
    ///
    /// Nothing has changed then.
    pub fn add(&self, name: &Name, rule: Shared<Rule>) -> Result {
        let mut attached = self.attached.lock();
        self.rules
            .insert(name, rule.clone())
            .map_err(|refused| match refused {
                Refused::Exists => EEXIST,
                Refused::NoMemory => ENOMEM,
            })?;
        self.prepare(&mut attached, name, Action::Tcp, rule.action.get())
            .inspect_err(|_| self.rules.remove(name))
    }

    /// From the return on, `rule`, which `name` was added with, decides nothing.
    pub fn remove(&self, name: &Name, rule: &Rule) {
        let mut attached = self.attached.lock();
        self.rules.remove(name);
        // Only what is to be attached can fail.
        let _ = self.prepare(&mut attached, name, rule.action.get(), Action::Tcp);
    }

    /// From the return on, `rule`, which `name` was added with, says `action`.
    ///
    /// # Errors
    ///
    /// Those of [`hook::attach`], and nothing has changed.
    pub fn set_action(&self, name: &Name, rule: &Rule, action: Action) -> Result {
        let mut attached = self.attached.lock();
        self.prepare(&mut attached, name, rule.action.get(), action)?;
        rule.action.set(action);
        Ok(())
    }

    /// Attaches or detaches what a rule needs that said `old` and says `new`.
    fn prepare(&self, attached: &mut Attached, name: &Name, old: Action, new: Action) -> Result {
        match name {
            Name::Handshake(_) if self.rules.handshakes() > 0 => {
                attached.handshake.publish(|| self.rules.clone())
            }
            Name::Handshake(_) => {
                attached.handshake.withdraw();
                Ok(())
            }
            _ => self.say(attached, old, new),
        }
    }

    /// Something about tasks said `old` and says `new`.
    fn say(&self, attached: &mut Attached, old: Action, new: Action) -> Result {
        let say_smc = match (old, new) {
            (Action::Tcp, Action::Smc) => attached.say_smc + 1,
            (Action::Smc, Action::Tcp) => attached.say_smc.saturating_sub(1),
            _ => return Ok(()),
        };
        if say_smc == 0 {
            attached.hook = None;
        } else if attached.hook.is_none() {
            attached.hook = Some(hook::attach(self.rules.clone())?);
        }
        attached.say_smc = say_smc;
        Ok(())
    }
}
