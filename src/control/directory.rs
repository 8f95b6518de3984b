// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/smcify/KIND:VALUE/`: a directory is a rule, from `mkdir` to `rmdir`.
//!
//! Logic. Every method runs in process context and may sleep.

use kernel::configfs::{
    self,
    Group, //
};
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::str::{
    BStr,
    CString, //
};
use kernel::sync::Arc;

use crate::compat::log;
use crate::compat::rcu::Shared;
use crate::compat::task;
use crate::compat::version::configfs_attrs;
use crate::control::attribute::{
    parse_action,
    print, //
};
use crate::control::switch::Switch;
use crate::rules::name::{
    Name,
    Who, //
};
use crate::rules::policy::Action;
use crate::rules::selector::Selector;
use crate::rules::Rule;

/// What a directory holds.
#[pin_data]
pub struct Directory {
    rule: InForce,
}

/// A rule, in force until this is dropped.
struct InForce {
    switch: Arc<Switch>,
    name: Kept,
    rule: Shared<Rule>,
}

/// A [`Name`]. What is large of one is apart, so that most directories are a third smaller.
enum Kept {
    Who(Who),
    Handshake(KBox<Selector>),
}

impl Kept {
    fn new(name: &Name) -> Result<Self> {
        Ok(match name {
            Name::Who(who) => Self::Who(*who),
            Name::Handshake(selector) => Self::Handshake(KBox::new(*selector, GFP_KERNEL)?),
        })
    }

    fn name(&self) -> Name {
        match self {
            Self::Who(who) => Name::Who(*who),
            Self::Handshake(selector) => Name::Handshake(**selector),
        }
    }
}

impl Directory {
    /// The rule that the directory `name` is.
    ///
    /// # Errors
    ///
    /// - `EPERM`: the task may not administer networks in the initial user namespace.
    /// - `EINVAL`: the name is not a rule's.
    /// - Those of [`Switch::add`].
    ///
    /// Each but the first after one line in the kernel log, unless there were many.
    pub fn make(switch: &Arc<Switch>, text: &CStr) -> Result<impl PinInit<Group<Self>, Error>> {
        task::may_administer()?;
        let item_type = configfs_attrs! {
            container: configfs::Group<Directory>,
            data: Directory,
            attributes: [
                action: 0,
                hits: 1,
            ],
        };
        let shown: &BStr = text.as_ref();
        let name = Name::parse(shown).map_err(|why| {
            log::warn_ratelimited!("rule \"{shown}\": {why}\n");
            EINVAL
        })?;
        let rule = InForce::new(switch.clone(), name).inspect_err(|error| match *error {
            EEXIST => log::warn_ratelimited!("rule \"{shown}\": there is one for the same\n"),
            error => log::warn_ratelimited!("rule \"{shown}\": {error:?}\n"),
        })?;
        let directory = try_pin_init!(Self { rule });
        Ok(Group::new(CString::try_from(text)?, item_type, directory))
    }
}

impl InForce {
    /// A new rule says what nothing else would.
    fn new(switch: Arc<Switch>, name: Name) -> Result<Self> {
        let rule = Rule::new(match name {
            Name::Handshake(_) => Action::Tcp,
            _ => Action::Smc,
        })?;
        let kept = Kept::new(&name)?;
        switch.add(&name, rule.clone())?;
        Ok(Self {
            switch,
            name: kept,
            rule,
        })
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        self.switch.remove(&self.name.name(), &self.rule);
    }
}

#[vtable]
impl configfs::AttributeOperations<0> for Directory {
    type Data = Directory;

    fn show(directory: &Directory, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let action = directory.rule.rule.action.get();
        print(page, format_args!("{}\n", action.name()))
    }

    fn store(directory: &Directory, text: &[u8]) -> Result {
        let InForce { switch, name, rule } = &directory.rule;
        switch.set_action(&name.name(), rule, parse_action(text)?)
    }
}

#[vtable]
impl configfs::AttributeOperations<1> for Directory {
    type Data = Directory;

    fn show(directory: &Directory, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}\n", directory.rule.rule.hits()))
    }
}
