// SPDX-License-Identifier: GPL-2.0

//! KUnit: rules as their directories name them, which of them decides, and what the running
//! task is asked.

use core::net::Ipv4Addr;

use kernel::prelude::*;

use crate::compat::label::Label;
use crate::compat::rcu;
use crate::compat::task::Current;
use crate::rules::name::{
    Name,
    Who, //
};
use crate::rules::policy::Action;
use crate::rules::selector::{
    Ends,
    Handshake, //
};
use crate::rules::table::Refused;
use crate::rules::{
    Rule,
    Rules,
    Task, //
};

/// A task of cgroup 30 below 20 below the root, named `server`, of user 1000, in namespace 7.
struct Somebody;

impl Task for Somebody {
    fn cgroups(&self) -> impl Iterator<Item = u64> {
        [30, 20].into_iter()
    }

    fn comm(&self) -> Label {
        Label::from_field(*b"server\0\xffjunk\0\0\0\0")
    }

    fn euid(&self) -> u32 {
        1000
    }

    fn netns(&self) -> u64 {
        7
    }
}

/// 10.1.2.3 connects to port 443 of 192.168.0.9, which is reached by eth0.
struct Syn;

impl Handshake for Syn {
    fn ends(&self) -> Ends {
        let (src, dst) = (Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(192, 168, 0, 9));
        Ends::v4(src.into(), dst.into())
    }

    fn port(&self) -> u16 {
        443
    }

    fn dev(&self) -> Option<Label> {
        Label::new(b"eth0")
    }
}

/// Adds a rule; whether it could be.
fn add(rules: &Rules, name: &str, action: Action) -> Result<(), Refused> {
    let name = Name::parse(name.as_bytes()).map_err(|_| Refused::NoMemory)?;
    rules.insert(&name, Rule::new(action)?)
}

fn remove(rules: &Rules, name: &str) {
    if let Ok(name) = Name::parse(name.as_bytes()) {
        rules.remove(&name);
    }
}

fn who(rules: &Rules) -> Action {
    rules.who(Somebody, &rcu::read_lock())
}

fn handshake(rules: &Rules) -> Action {
    rules.handshake(&Syn, &rcu::read_lock())
}

#[kunit_tests(smcify_rules)]
mod tests {
    use super::*;

    /// From the least to the most specific, each says the opposite of those before it; and
    /// once more, the other way round, when they are taken away.
    #[test]
    fn the_most_specific_rule_about_a_task_decides() {
        let rules = Rules::default();
        let names = [
            "netns:7",
            "uid:1000",
            "comm:server",
            "cgroup:1",
            "cgroup:20",
            "cgroup:30",
        ];
        let mut expected = Action::Tcp;
        assert!(who(&rules) == expected);
        for other in ["netns:8", "uid:0", "comm:serve", "comm:server2", "cgroup:2"] {
            assert!(add(&rules, other, Action::Smc).is_ok());
        }
        for name in names {
            expected = other(expected);
            assert!(add(&rules, name, expected).is_ok());
            assert!(who(&rules) == expected);
        }
        for name in names.iter().rev() {
            remove(&rules, name);
            expected = other(expected);
            assert!(who(&rules) == expected);
        }
        rules.set_default_action(Action::Smc);
        assert!(who(&rules) == Action::Smc);
    }

    /// The same for handshakes: the longest dst, then src, then port, then dev.
    #[test]
    fn the_most_specific_rule_about_a_handshake_decides() {
        let rules = Rules::default();
        let names = [
            "dev:eth0",
            "port:443",
            "port:443,dev:eth0",
            "src:10.0.0.0:8",
            "src:10.1.2.3:32",
            "dst:0.0.0.0:0",
            "dst:192.168.0.0:16",
            "dst:192.168.0.0:16,dev:eth0",
            "dst:192.168.0.0:16,port:443",
            "dst:192.168.0.0:16,src:0.0.0.0:0",
            "dst:192.168.0.0:16,src:10.0.0.0:8",
            "dst:192.168.0.9:32",
            "dev:eth0,port:443,src:10.1.2.3:32,dst:192.168.0.9:32",
        ];
        let mut expected = Action::Smc;
        assert!(handshake(&rules) == expected);
        for other in [
            "dev:eth1",
            "port:80",
            "src:10.1.2.4:32",
            "dst:192.168.0.8:32",
            "dst:192.168.0.9:32,port:444",
            "dst:[::]:0",
            "dst:[c0a8:9::]:32",
        ] {
            assert!(add(&rules, other, Action::Tcp).is_ok());
        }
        for name in names {
            expected = other(expected);
            assert!(add(&rules, name, expected).is_ok());
            assert!(handshake(&rules) == expected);
        }
        for name in names.iter().rev() {
            remove(&rules, name);
            expected = other(expected);
            assert!(handshake(&rules) == expected);
        }
    }

    #[test]
    fn rules_that_share_a_list_need_no_stack_to_be_freed() {
        /// Times that of `u64`'s hash it is 1: the hashes are the numbers themselves, too small
        /// to differ in the bits that count.
        const INVERSE: u64 = 0xf1de_83e1_9937_733d;
        let rules = Rules::default();
        let added = (1..=4000_u64).all(|number| {
            let name = Name::Who(Who::Cgroup(number.wrapping_mul(INVERSE)));
            Rule::new(Action::Tcp).is_ok_and(|rule| rules.insert(&name, rule).is_ok())
        });
        assert!(added);
        drop(rules);
    }

    #[test]
    fn hits_are_counted_by_the_rule_that_decides() {
        let rules = Rules::default();
        let uid = Rule::new(Action::Smc);
        let netns = Rule::new(Action::Smc);
        let (Ok(uid), Ok(netns)) = (uid, netns) else {
            assert!(false);
            return;
        };
        assert!(rules
            .insert(&Name::Who(Who::Uid(1000)), uid.clone())
            .is_ok());
        assert!(rules
            .insert(&Name::Who(Who::Netns(7)), netns.clone())
            .is_ok());
        who(&rules);
        who(&rules);
        remove(&rules, "uid:1000");
        who(&rules);
        assert_eq!((uid.hits(), netns.hits()), (2, 1));
    }

    #[test]
    fn a_rule_is_there_once() {
        let rules = Rules::default();
        for (first, second) in [
            ("uid:5", "uid:5"),
            ("dst:10.0.0.0:8,port:5", "port:5,dst:10.0.0.0:8"),
            ("dst:[2001:db8::]:32", "dst:[2001:0DB8:0::]:32"),
        ] {
            assert!(add(&rules, first, Action::Smc).is_ok());
            assert!(add(&rules, second, Action::Smc) == Err(Refused::Exists));
            remove(&rules, second);
            assert!(add(&rules, first, Action::Smc).is_ok());
        }
    }

    #[test]
    fn names_that_are_none() {
        for junk in [
            "",
            ":",
            "uid",
            "uid:",
            "uid:-1",
            "uid:+1",
            "uid:01",
            "uid:1 ",
            "uid:4294967295",
            "uid:4294967296",
            "UID:1",
            "gid:1",
            "cgroup:0",
            "cgroup:x",
            "netns:0",
            "cgroup:18446744073709551616",
            "comm:",
            "comm:sixteen-letters-",
            "dst:",
            "dst:10.0.0.0",
            "dst:10.0.0.0:",
            "dst:10.0.0.0:33",
            "dst:10.0.0.1:8",
            "dst:10.0.0:8",
            "dst:010.0.0.0:8",
            "dst:[10.0.0.0]:8",
            "dst:2001:db8:::32",
            "dst:[2001:db8::]:129",
            "dst:[2001:db8::1]:32",
            "dst:[2001:db8::]",
            "dst:[::ffff:10.0.0.0]:104",
            "port:0",
            "port:65536",
            "port:443,port:444",
            "port:443,",
            ",port:443",
            "src:10.0.0.0:8,dst:[2001:db8::]:32",
            "dev:",
            "dev:sixteen-letters-",
            "port:443,uid:0",
        ] {
            assert!(Name::parse(junk.as_bytes()).is_err());
        }
    }

    /// The thread of the suites is a kernel's: root, in the first network namespace, and in no
    /// cgroup below the root.
    #[test]
    fn the_running_task_is_known() {
        let (euid, comm, netns, cgroup) = Current::with(|task, _| {
            let cgroup = task.cgroups().next();
            (task.euid(), task.comm(), task.netns(), cgroup)
        });
        assert_eq!(euid, 0);
        assert!(comm != Label::from_field([0; Label::SIZE]));
        assert!(netns != 0);
        assert_eq!(cgroup, None);
    }

    fn other(action: Action) -> Action {
        match action {
            Action::Smc => Action::Tcp,
            Action::Tcp => Action::Smc,
        }
    }
}
