// SPDX-License-Identifier: GPL-2.0

//! The decision: which socket requests become SMC.
//!
//! Logic: pure, against `core` alone, so that the same file is compiled into the
//! module, its KUnit suite and the host tests.

/// `AF_INET` of `include/linux/socket.h`.
pub const AF_INET: i32 = 2;
/// `AF_INET6` of `include/linux/socket.h`.
pub const AF_INET6: i32 = 10;
/// `SOCK_STREAM` of `include/linux/net.h`.
pub const SOCK_STREAM: i32 = 1;
/// The bits of the type argument that hold the type; the rest are `SOCK_*` flags.
pub const SOCK_TYPE_MASK: i32 = 0xf;
/// `IPPROTO_TCP` of `include/uapi/linux/in.h`.
pub const IPPROTO_TCP: i32 = 6;

/// The protocol of `smcify_stream.ko`, one of those that `include/uapi/linux/in.h` leaves free:
/// SMC sockets that keep TCP's promises. Nobody's to ask for by hand.
pub const IPPROTO_SMCIFY: i32 = 257;
/// A number that no protocol has: the socket layer says `EPROTONOSUPPORT`.
pub const IPPROTO_NONE: i32 = 258;

/// What a socket request asks for: the arguments of `socket(2)`, as the caller gave
/// them and in host order. Nothing has checked them yet.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Address family, `AF_*`.
    pub family: i32,
    /// Type and flags, `SOCK_*`.
    pub kind: i32,
    /// Protocol, `IPPROTO_*`; 0 is the default of family and type.
    pub protocol: i32,
}

impl Request {
    /// The request asks for TCP, by name or by default, over IPv4 or IPv6.
    ///
    /// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` do not matter. A flag that the kernel does
    /// not know does not matter either: it answers `EINVAL` whatever the protocol.
    #[inline]
    pub fn is_tcp(&self) -> bool {
        matches!(self.family, AF_INET | AF_INET6)
            && self.kind & SOCK_TYPE_MASK == SOCK_STREAM
            && (self.protocol == 0 || self.protocol == IPPROTO_TCP)
    }

    /// The request asks by hand for what only the hook may give: it is answered as for a protocol
    /// that does not exist.
    #[inline]
    pub fn is_ours(&self) -> bool {
        self.protocol == IPPROTO_SMCIFY
    }
}

/// What a rule says of the sockets that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leave the socket as asked for.
    Tcp,
    /// Make the socket SMC.
    Smc,
}

impl Action {
    /// The action that `text` names: `tcp` or `smc`, a newline may follow.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text.strip_suffix(b"\n").unwrap_or(text) {
            b"tcp" => Some(Self::Tcp),
            b"smc" => Some(Self::Smc),
            _ => None,
        }
    }

    /// The name that [`Action::parse`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Smc => "smc",
        }
    }

    /// The protocol to create a socket with whose request [is TCP](Request::is_tcp), or `None`
    /// to leave that alone.
    #[inline]
    pub fn protocol(self) -> Option<i32> {
        match self {
            Self::Tcp => None,
            Self::Smc => Some(IPPROTO_SMCIFY),
        }
    }
}
