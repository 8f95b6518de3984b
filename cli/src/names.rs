// SPDX-License-Identifier: GPL-2.0
//! Names for ids: what a user calls a rule, and what the kernel does.

use crate::args::Selector;
use crate::cgroup;
use crate::cgroup::Hierarchy;
use crate::control::Entry;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::netns;
use crate::rule;
use crate::rule::Rule;
use crate::rule::Where;
use nix::unistd::Uid;
use nix::unistd::User;
use std::cell::OnceCell;

/// The rule that is meant.
pub fn rule(selector: &Selector) -> Result<Rule> {
    let usage = |tried: String| {
        move |found: String| Failure::new(Kind::Usage, tried, found, "smcify rule add --help")
    };
    if let Some(name) = &selector.name {
        let parsed = name.parse();
        return parsed.map_err(usage(format!("understand the rule {name}")));
    }
    if let Some(name) = &selector.cgroup {
        return Ok(Rule::Cgroup(cgroup::id(&Hierarchy::find()?.named(name)?)?));
    }
    if let Some(name) = &selector.container {
        let path = Hierarchy::find()?.of_container(name)?;
        return Ok(Rule::Cgroup(cgroup::id(&path)?));
    }
    if let Some(name) = &selector.comm {
        let comm = rule::comm(name).map_err(usage(format!("make a rule for programs {name}")));
        return comm.map(Rule::Comm);
    }
    if let Some(name) = &selector.user {
        return uid(name).map(Rule::Uid);
    }
    if let Some(name) = &selector.netns {
        return netns::cookie_of(Some(name)).map(Rule::Netns);
    }
    if let (Some(src), Some(dst)) = (selector.src, selector.dst) {
        if src.addr().is_ipv4() != dst.addr().is_ipv4() {
            let found = format!("{src} and {dst}: no connection is IPv4 and IPv6");
            return Err(usage("make a rule for both".into())(found));
        }
    }
    Ok(Rule::Where(Where {
        src: selector.src,
        dst: selector.dst,
        port: selector.port,
        dev: selector.dev.clone(),
    }))
}

/// A user's id, by name or number.
fn uid(name: &str) -> Result<u32> {
    if let Ok(uid) = name.parse() {
        return Ok(uid);
    }
    let tried = format!("find the user {name}");
    let user = User::from_name(name).or_fail(&tried, "getent passwd")?;
    let found = "there is no user of that name";
    let user = user.ok_or_else(|| Failure::new(Kind::NotFound, tried, found, "getent passwd"));
    Ok(user?.uid.as_raw())
}

/// What rules are called; looks things up once.
#[derive(Default)]
pub struct Names {
    hierarchy: OnceCell<Option<Hierarchy>>,
    netns: OnceCell<Vec<(String, u64)>>,
}

impl Names {
    /// What a rule is for, in the words of the command line.
    pub fn of(&self, entry: &Entry) -> String {
        match &entry.rule {
            Some(Rule::Cgroup(id)) => match self.cgroup(*id) {
                Some(path) => format!("--cgroup {path}"),
                None => format!("cgroup:{id} (gone, or out of sight)"),
            },
            Some(Rule::Comm(name)) => format!("--comm {name}"),
            Some(Rule::Uid(uid)) => format!("--user {}", user(*uid)),
            Some(Rule::Netns(cookie)) => match self.netns(*cookie) {
                Some(name) => format!("--netns {name}"),
                None => format!("netns:{cookie} (gone, or without a name)"),
            },
            Some(Rule::Where(terms)) => terms.options(),
            None => entry.name.clone(),
        }
    }

    fn cgroup(&self, id: u64) -> Option<String> {
        let all = self.hierarchy.get_or_init(|| Hierarchy::find().ok());
        let all = all.as_ref()?;
        all.path_of(id).map(|path| all.short(&path))
    }

    fn netns(&self, cookie: u64) -> Option<&str> {
        let known = self.netns.get_or_init(netns::known);
        let found = known.iter().find(|(_, it)| *it == cookie);
        found.map(|(name, _)| name.as_str())
    }
}

/// A user's name, or number if there is no name.
pub fn user(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |it| it.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Action;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.into(),
            action: Action::Smc,
            hits: 0,
            rule: name.parse().ok(),
        }
    }

    #[test]
    fn users_have_names_and_numbers() {
        assert_eq!(uid("root"), Ok(0));
        assert_eq!(uid("4711"), Ok(4711));
        let told = uid("no-such-user").expect_err("not there");
        assert_eq!(told.kind, Kind::NotFound);
    }

    #[test]
    fn selectors_become_rules() {
        let user = Selector {
            user: Some("root".into()),
            ..Selector::default()
        };
        assert_eq!(rule(&user), Ok(Rule::Uid(0)));
        let junk = Selector {
            name: Some("uid".into()),
            ..Selector::default()
        };
        assert_eq!(rule(&junk).map_err(|it| it.kind), Err(Kind::Usage));
        let place = Selector {
            port: Some(443),
            dev: Some("eth0".into()),
            ..Selector::default()
        };
        let place = rule(&place).expect("a rule").to_string();
        assert_eq!(place, "port:443,dev:eth0");
    }

    #[test]
    fn rules_are_called_as_they_are_typed() {
        let names = Names::default();
        assert_eq!(names.of(&entry("uid:0")), "--user root");
        let place = "dst:[2001:db8::]:32,port:443";
        let expected = "--dst 2001:db8::/32 --port 443";
        assert_eq!(names.of(&entry(place)), expected);
        let own = netns::cookie().expect("a cookie");
        assert_eq!(names.of(&entry(&format!("netns:{own}"))), "--netns self");
        let gone = names.of(&entry("netns:1234567890123"));
        assert!(gone.starts_with("netns:1234567890123 ("), "{gone}");
        assert_eq!(names.of(&entry("moon:full")), "moon:full");
    }
}
