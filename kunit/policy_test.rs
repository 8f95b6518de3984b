// SPDX-License-Identifier: GPL-2.0

//! KUnit: the decision, for every combination of family, type, flags and protocol.

use kernel::prelude::*;

use crate::rules::policy::{
    self,
    Action,
    Request, //
};

const SOCK_CLOEXEC: i32 = 0o2_000_000;
const SOCK_NONBLOCK: i32 = 0o4_000;
/// One past the highest address family, `AF_MAX`, of any kernel smcify builds for.
const FAMILIES: i32 = 64;
/// One past the highest value that fits under `SOCK_TYPE_MASK`.
const KINDS: i32 = 16;
/// One past `IPPROTO_MAX` of any kernel smcify builds for.
const PROTOCOLS: i32 = 512;

/// Calls `check` with every request there can be, and what `default` makes of it.
fn for_each(default: Action, mut check: impl FnMut(&Request, i32, Option<i32>)) {
    for family in -1..FAMILIES {
        for base in 0..KINDS {
            for flags in [0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK] {
                for protocol in -1..PROTOCOLS {
                    let request = Request {
                        family,
                        kind: base | flags,
                        protocol,
                    };
                    let protocol = default.protocol().filter(|_| request.is_tcp());
                    check(&request, base, protocol);
                }
            }
        }
    }
}

#[kunit_tests(smcify_policy)]
mod tests {
    use super::*;

    #[test]
    fn smc_selects_tcp_and_nothing_else() {
        let (mut selected, mut wrong) = (0, 0);
        for_each(Action::Smc, |request, base, protocol| {
            // AF_INET, AF_INET6; SOCK_STREAM; 0, IPPROTO_TCP: spelled out as numbers
            // here, so that a slip in a constant shows.
            let tcp = (request.family == 2 || request.family == 10)
                && base == 1
                && (request.protocol == 0 || request.protocol == 6);
            wrong += i32::from(
                protocol
                    != if tcp {
                        Some(policy::IPPROTO_SMCIFY)
                    } else {
                        None
                    },
            );
            selected += i32::from(protocol.is_some());
        });
        assert_eq!(wrong, 0);
        // Two families, two protocols, four ways to set the flags.
        assert_eq!(selected, 16);
    }

    #[test]
    fn tcp_selects_nothing() {
        let mut selected = 0;
        for_each(Action::Tcp, |_, _, protocol| {
            selected += i32::from(protocol.is_some())
        });
        assert_eq!(selected, 0);
    }

    #[test]
    fn constants_are_the_kernels() {
        use kernel::bindings as c;
        assert_eq!(policy::AF_INET, c::AF_INET as i32);
        assert_eq!(policy::AF_INET6, c::AF_INET6 as i32);
        assert_eq!(policy::SOCK_STREAM, c::sock_type_SOCK_STREAM as i32);
        assert_eq!(policy::SOCK_TYPE_MASK, c::SOCK_TYPE_MASK as i32);
        assert_eq!(policy::IPPROTO_TCP, crate::bindings::IPPROTO_TCP as i32);
        // The numbers beside it are free.
        assert_eq!(
            policy::IPPROTO_SMCIFY,
            crate::bindings::IPPROTO_SMC as i32 + 1
        );
        assert_eq!(policy::IPPROTO_NONE, policy::IPPROTO_SMCIFY + 1);
    }

    #[test]
    fn actions_are_read_back() {
        for action in [Action::Tcp, Action::Smc] {
            assert!(Action::parse(action.name().as_bytes()) == Some(action));
        }
        assert!(Action::parse(b"smc\n") == Some(Action::Smc));
        for junk in [
            &b""[..],
            b"\n",
            b"SMC",
            b"smc\n\n",
            b" smc",
            b"smc ",
            b"smc\0",
            b"tcpsmc",
        ] {
            assert!(Action::parse(junk).is_none());
        }
    }
}
