// SPDX-License-Identifier: GPL-2.0
//! Why a program does not do under smcify what it does with TCP: looked into once, by hand.

use std::fmt;

/// Whose doing a difference is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// Of the kernel's net/smc.
    Smc,
    /// Of what the program asks for or expects.
    Program,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Smc => "SMC",
            Self::Program => "the program",
        })
    }
}

/// The cause of some differences.
#[derive(Debug)]
pub struct Cause {
    pub program: &'static str,
    /// What the differences are about: a test's name, or as it begins if it ends with `*`.
    pub of: &'static [&'static str],
    pub whose: Whose,
    /// In words, with the function of the kernel that makes it.
    pub why: &'static str,
}

/// Why tests fail in one run and not in the next, as far as it is SMC's: orders that TCP keeps.
pub const RACES: &str = "\
SMC's server may be ready before its client: `accept()` can return while the client's `smc_connect_work()` has not come to its end. \
Until then `smc_getname()` says `ENOTCONN` of the client, and what the client writes then may come after the server has closed, which \
`smc_tx_sendmsg()` answers with `ECONNRESET`. Seen in `PurePythonSocketPairTest`, which connects without waiting, accepts and asks the \
client's end for its peer (when that fails it leaves `socket.socketpair` replaced, and `SendRecvFdsTests` fails as well if it runs in the same process), and in \
`StreamTests.test_unhandled_exception`.";

/// All that are known.
const CAUSES: &[Cause] = &[
    Cause {
        program: "CPython, test_socket",
        of: &["test.test_socket.NetworkConnectionBehaviourTest.testOutsideTimeout"],
        whose: Whose::Smc,
        why: "The test sends to a peer that has closed a while ago. TCP takes the bytes and learns of it by the answer; SMC knows, and \
          says `ECONNRESET` at once: `smc_tx_sendmsg()`, where it asks `smc_cdc_rxed_any_close()`.",
    },
    Cause {
        program: "CPython, test_asyncio",
        of: &[
            "test.test_asyncio.test_sock_lowlevel.EPollEventLoopTests.test_sock_client_connect_racing",
            "test.test_asyncio.test_sock_lowlevel.PollEventLoopTests.test_sock_client_connect_racing",
            "test.test_asyncio.test_sock_lowlevel.SelectEventLoopTests.test_sock_client_connect_racing",
        ],
        whose: Whose::Smc,
        why: "The test connects a socket that does not block, to a port where nobody listens yet, and after the refusal \
              once more. TCP tries again; SMC has closed the socket (`smc_connect_work()`) and answers `ECONNABORTED` from \
              then on (`smc_connect()`).",
    },
    Cause {
        program: "Go net/http",
        of: &["the peer does not offer SMC*"],
        whose: Whose::Program,
        why: "Since 1.24 Go's listeners ask for MPTCP, which smcify leaves alone (`policy.rs`); `GODEBUG=multipathtcp=0` has \
          them ask for TCP. The client's SYN offers SMC, the SYN-ACK of an MPTCP listener does not: `smc_set_option_cond()`, where `syn_smc` is not set.",
    },
];

/// The cause of a difference, if it is known.
pub fn of(program: &str, what: &str) -> Option<&'static Cause> {
    let covers = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(begin) => what.starts_with(begin),
        None => *what == **pattern,
    };
    let mut all = CAUSES.iter();
    all.find(|cause| cause.program == program && cause.of.iter().any(covers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_of_one_program() {
        let what = "the peer does not offer SMC (PEERNOSMC)";
        let go = of("Go net/http", what).map(|cause| cause.whose);
        assert_eq!(go, Some(Whose::Program));
        assert!(of("redis", what).is_none());
        assert!(of("Go net/http", "result").is_none());
    }
}
