// SPDX-License-Identifier: GPL-2.0
//! `smcify on` and `smcify off`: for one network namespace, or everywhere.

use crate::args::On;
use crate::args::Switch;
use crate::control::Control;
use crate::control::Entry;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::Result;
use crate::failure::again;
use crate::lacks;
use crate::lacks::Lack;
use crate::names::Names;
use crate::netns;
use crate::output::Shown;
use crate::output::count;
use crate::rule::Action;
use crate::rule::Rule;
use serde::Serialize;

/// How it is now.
#[derive(Debug, Serialize)]
pub struct Switched {
    /// What new sockets are, if nothing more specific decides.
    action: Action,
    /// Where: "all", or the cookie of a network namespace.
    scope: Scope,
    /// What applies where no rule does.
    default: Action,
    /// Rules that say otherwise for some.
    otherwise: Vec<Entry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    All,
    Netns(u64),
}

/// Switches SMC on.
pub fn on(args: &On) -> Result<Switched> {
    let tried = "switch SMC on";
    let control = Control::open(tried)?;
    if args.switch.all && !args.yes {
        let lacking = lacks::of(&lacks::release(), Some(&control))?;
        sound(tried, &lacking.unwrap_or_default())?;
    }
    switch(&control, Action::Smc, &args.switch)
}

/// Switches SMC off.
pub fn off(args: &Switch) -> Result<Switched> {
    switch(&Control::open("switch SMC off")?, Action::Tcp, args)
}

/// An error, if others reach the bugs of what the kernel lacks.
fn sound(tried: &str, lacking: &[Lack]) -> Result<()> {
    if !lacking.iter().any(Lack::is_open) {
        return Ok(());
    }
    let next = format!(
        "see which: smcify check\n\
         Linux {} or later, which has all\n\
         or for a few only: smcify rule add --help\n\
         or everywhere all the same: {} --yes",
        lacks::complete(),
        again(),
    );
    let found = lacks::summary(lacking);
    Err(Failure::new(Kind::Unconfirmed, tried, found, next))
}

fn switch(control: &Control, to: Action, args: &Switch) -> Result<Switched> {
    let scope = match args.all {
        true => {
            control.set_default(to)?;
            Scope::All
        }
        false => {
            let cookie = netns::cookie_of(args.netns.as_deref())?;
            in_netns(control, cookie, to)?;
            Scope::Netns(cookie)
        }
    };
    let own = match scope {
        Scope::All => None,
        Scope::Netns(cookie) => Some(Rule::Netns(cookie)),
    };
    let mut otherwise = control.rules()?;
    otherwise.retain(|it| {
        let rule = it.rule.as_ref();
        // Another namespace's rule says nothing about this one.
        let other = own.is_some() && matches!(rule, Some(Rule::Netns(_)));
        it.action == to.opposite() && rule.is_some_and(Rule::is_who) && !other
    });
    Ok(Switched {
        action: to,
        scope,
        default: control.default()?,
        otherwise,
    })
}

/// With `default` at what is wanted no rule is needed to switch off; to switch on, one is kept,
/// so that a `smcify off --all` leaves this namespace alone.
fn in_netns(control: &Control, cookie: u64, to: Action) -> Result<()> {
    let rule = Rule::Netns(cookie);
    match (to, control.default()?) {
        (Action::Tcp, Action::Tcp) => match control.same(&rule)? {
            Some(entry) => control.remove(&entry.name),
            None => Ok(()),
        },
        _ => control.add(&rule, to).map(drop),
    }
}

impl Shown for Switched {
    fn text(&self) -> String {
        let what = match self.action {
            Action::Smc => "are SMC now",
            Action::Tcp => "are TCP now; SMC sockets that exist stay SMC",
        };
        let place = match self.scope {
            Scope::All => "everywhere",
            Scope::Netns(_) => "in the network namespace",
        };
        let mut text = format!("new TCP sockets {place} {what}\n");
        if !self.otherwise.is_empty() {
            let number = count(self.otherwise.len(), "rule");
            text += &format!("except by {number}:\n");
            let names = Names::default();
            for entry in &self.otherwise {
                text += &format!("  {} {}\n", entry.action, names.of(entry));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_open_bugs_asks() {
        let sound = |release| sound("go", &lacks::listed(release, &[]).expect("known"));
        let told = sound("6.16.12").expect_err("bugs");
        assert_eq!(told.kind, Kind::Unconfirmed);
        assert!(told.next.ends_with("--yes"), "{told}");
        assert!(told.found.contains("any peer"), "{told}");
        for release in ["7.2.12", "7.3.4"] {
            assert_eq!(sound(release), Ok(()));
        }
    }
}
