// SPDX-License-Identifier: GPL-2.0
//! Why SMC fell back to TCP: the kernel's reason codes, their names and what they mean.

use std::fmt;
use std::io::Error;

/// A reason code, as SMC_DIAG and the fallback statistics have it: a `SMC_CLC_DECL_…` of the
/// kernel's `net/smc/smc_clc.h`, in host byte order, or a negative errno.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Reason(pub u32);

/// Code, name behind `SMC_CLC_DECL_`, meaning.
const REASONS: [(u32, &str, &str); 36] = [
    (0x0101_0000, "MEM", "not enough memory for the buffers"),
    (
        0x0201_0000,
        "TIMEOUT_CL",
        "the peer did not confirm the RDMA link in time",
    ),
    (
        0x0202_0000,
        "TIMEOUT_AL",
        "the peer did not add a second RDMA link in time",
    ),
    (0x0300_0000, "CNFERR", "configuration error"),
    (0x0301_0000, "PEERNOSMC", "the peer does not offer SMC"),
    (0x0302_0000, "IPSEC", "the connection uses IPsec"),
    (
        0x0303_0000,
        "NOSMCDEV",
        "no SMC device that both sides can use",
    ),
    (
        0x0303_0001,
        "NOSMCDDEV",
        "no SMC-D device that both sides can use",
    ),
    (
        0x0303_0002,
        "NOSMCRDEV",
        "no RDMA device that both sides can use",
    ),
    (0x0303_0003, "NOISM2SUPP", "no SMC-D device of version 2"),
    (0x0303_0004, "NOV2EXT", "the peer does not speak SMC v2"),
    (0x0303_0005, "NOV2DEXT", "the peer does not speak SMC-D v2"),
    (0x0303_0006, "NOSEID", "the peer sent no system EID"),
    (
        0x0303_0007,
        "NOSMCD2DEV",
        "no SMC-D v2 device that both sides can use",
    ),
    (0x0303_0008, "NOUEID", "no user EID that both sides have"),
    (
        0x0303_0009,
        "RELEASEERR",
        "no agreement on a release of SMC",
    ),
    (
        0x0303_000a,
        "MAXCONNERR",
        "no agreement on the number of connections",
    ),
    (
        0x0303_000b,
        "MAXLINKERR",
        "no agreement on the number of links",
    ),
    (
        0x0304_0000,
        "MODEUNSUPP",
        "one side has SMC-D only, the other SMC-R only",
    ),
    (
        0x0305_0000,
        "RMBE_EC",
        "the peer expects an eye catcher in its buffers",
    ),
    (
        0x0306_0000,
        "OPTUNSUPP",
        "the program uses a socket option that SMC lacks, such as TCP Fast Open",
    ),
    (
        0x0307_0000,
        "DIFFPREFIX",
        "the two sides are not in one IP subnet",
    ),
    (
        0x0308_0000,
        "GETVLANERR",
        "the VLAN of the egress device cannot be told",
    ),
    (
        0x0309_0000,
        "ISMVLANERR",
        "the SMC-D device does not take the VLAN",
    ),
    (
        0x030a_0000,
        "NOACTLINK",
        "no active RDMA link in the link group",
    ),
    (0x030b_0000, "NOSRVLINK", "the server's RDMA link is gone"),
    (
        0x030c_0000,
        "VERSMISMAT",
        "the two sides speak different versions of SMC",
    ),
    (
        0x030d_0000,
        "MAX_DMB",
        "the SMC-D device has no buffer left",
    ),
    (
        0x030e_0000,
        "NOROUTE",
        "no route from the RDMA device to the peer",
    ),
    (
        0x030f_0000,
        "NOINDIRECT",
        "only one side reaches the other through a gateway",
    ),
    (
        0x0400_0000,
        "SYNCERR",
        "the two sides do not agree on what they share",
    ),
    (0x0500_0000, "PEERDECL", "the peer declined"),
    (0x0999_0000, "INTERR", "internal error"),
    (
        0x0999_0001,
        "ERR_RTOK",
        "internal error: keys of the peer's memory",
    ),
    (
        0x0999_0002,
        "ERR_RDYLNK",
        "internal error: the RDMA link did not become ready",
    ),
    (
        0x0999_0003,
        "ERR_REGBUF",
        "internal error: the RDMA device did not take the buffer",
    ),
];

impl Reason {
    /// The kernel's name without `SMC_CLC_DECL_`, if this is one of its reasons.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|(_, name, _)| *name)
    }

    /// What it means, in words.
    pub fn words(self) -> String {
        match self.entry() {
            Some((_, _, words)) => (*words).to_string(),
            None if (self.0 as i32) < 0 => {
                Error::from_raw_os_error((self.0 as i32).wrapping_neg()).to_string()
            }
            None => format!("reason {:#010x}", self.0),
        }
    }

    fn entry(self) -> Option<&'static (u32, &'static str, &'static str)> {
        REASONS.iter().find(|(code, _, _)| *code == self.0)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.words()),
            None => write!(f, "{}", self.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        let text = Reason(0x0301_0000).to_string();
        assert_eq!(text, "the peer does not offer SMC (PEERNOSMC)");
        assert_eq!(Reason(0x0303_0008).name(), Some("NOUEID"));
        assert_eq!(Reason(0x1234).to_string(), "reason 0x00001234");
        let errno = Reason(-12_i32 as u32).to_string();
        assert!(errno.contains("memory"), "{errno}");
    }

    #[test]
    fn no_code_and_no_name_is_there_twice() {
        for (i, one) in REASONS.iter().enumerate() {
            for other in &REASONS[i + 1..] {
                assert!(one.0 < other.0 && one.1 != other.1, "{one:?} {other:?}");
            }
        }
    }
}
