// SPDX-License-Identifier: GPL-2.0

//! The prefix match of a CLC Proposal (RFC 7609): is one of the subnets that the peer
//! names also a subnet of the device that its connection came in by?
//!
//! Logic: pure, against `core` alone, so that the same file is compiled into the
//! module, its KUnit suite and the host tests. Decides what `smc_clc_prfx_match4_rcu()`
//! and `smc_clc_prfx_match6_rcu()` of `net/smc/smc_clc.c` decide.

/// The most IPv6 prefixes that are looked at, `SMC_CLC_MAX_V6_PREFIX`.
pub const MAX_V6_PREFIX: usize = 8;

/// A 32-bit number in network byte order, `__be32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Be32([u8; 4]);

impl Be32 {
    /// The number whose bytes in memory, and on the wire, are these.
    pub const fn from_wire(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The number in host byte order, `ntohl()`.
    pub const fn to_host(self) -> u32 {
        u32::from_be_bytes(self.0)
    }
}

/// An IPv6 address in network byte order, `struct in6_addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct In6Addr([u8; 16]);

impl In6Addr {
    /// The address whose bytes on the wire are these.
    pub const fn from_wire(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The address has link-local scope, as `ipv6_addr_type()` sees it: unicast of
    /// fe80::/10, or multicast of scope 2.
    pub const fn is_link_local(&self) -> bool {
        let [first, second, ..] = self.0;
        (first == 0xfe && second & 0xc0 == 0x80) || (first == 0xff && second & 0x0f == 2)
    }

    /// The first `len` bits of both are equal, `ipv6_prefix_equal()`. From 128 on, all
    /// bits count.
    fn prefix_equal(&self, other: &Self, len: u32) -> bool {
        let differ = u128::from_be_bytes(self.0) ^ u128::from_be_bytes(other.0);
        differ.leading_zeros() >= len.min(128)
    }
}

/// An IPv4 address of a device with its mask, of `struct in_ifaddr`.
#[derive(Clone, Copy, Debug)]
pub struct Ifaddr4 {
    /// `ifa_address`: for a point-to-point device, the peer's.
    pub address: Be32,
    /// `ifa_mask`.
    pub mask: Be32,
}

impl Ifaddr4 {
    /// The number of bits that the mask is long, `inet_mask_len()`: those from the first
    /// to the last one that is set, so a mask with gaps counts as if it had none.
    const fn mask_len(&self) -> u32 {
        let mask = self.mask.to_host();
        // 32 trailing zeros when there is no bit at all.
        32 - mask.trailing_zeros()
    }

    /// `subnet` is in the subnet of this address, `inet_ifa_match()`.
    const fn holds(&self, subnet: Be32) -> bool {
        (subnet.to_host() ^ self.address.to_host()) & self.mask.to_host() == 0
    }
}

/// An IPv6 address of a device with its prefix length, of `struct inet6_ifaddr`.
#[derive(Clone, Copy, Debug)]
pub struct Ifaddr6 {
    /// `addr`.
    pub address: In6Addr,
    /// `prefix_len`, in bits.
    pub prefix_len: u32,
}

/// The addresses of the device that a connection came in by.
pub trait Addresses {
    /// The IPv4 addresses, or `None` if the device does not speak IPv4.
    fn ipv4(&self) -> Option<impl Iterator<Item = Ifaddr4>>;
    /// The IPv6 addresses, or `None` if the device does not speak IPv6.
    fn ipv6(&self) -> Option<impl Iterator<Item = Ifaddr6>>;
}

/// Why no prefix matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The device does not speak the address family of the Proposal: `ENODEV`.
    NoDevice,
    /// None of the device's subnets is among those of the Proposal: `ENOENT`.
    NoEntry,
}

/// The prefix area of a Proposal: `struct smc_clc_msg_proposal_prefix`, 8 bytes, and the
/// `struct smc_clc_ipv6_prefix` behind it, 17 bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Prefixes<'a> {
    outgoing_subnet: Be32,
    prefix_len: u8,
    ipv6_prefixes_cnt: u8,
    ipv6: &'a [u8],
}

impl<'a> Prefixes<'a> {
    /// Size of an area that holds as many prefixes as are ever looked at, in bytes.
    pub const MAX_SIZE: usize = 8 + MAX_V6_PREFIX * Self::IPV6_SIZE;
    const IPV6_SIZE: usize = 17;

    /// Reads the area that `message` begins with, or gives `None` if it is too short for
    /// one. IPv6 prefixes that are announced but not there do not match.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (fixed, ipv6) = message.split_first_chunk::<8>()?;
        let [s0, s1, s2, s3, prefix_len, _, _, ipv6_prefixes_cnt] = *fixed;
        Some(Self {
            outgoing_subnet: Be32::from_wire([s0, s1, s2, s3]),
            prefix_len,
            ipv6_prefixes_cnt,
            ipv6,
        })
    }

    /// Compares with the addresses of a device. A Proposal with IPv6 prefixes is about
    /// IPv6 alone, as in `smc_clc_prfx_match()`.
    ///
    /// # Errors
    ///
    /// Why nothing matches.
    pub fn matches(&self, device: &impl Addresses) -> Result<(), Mismatch> {
        let found = if self.ipv6_prefixes_cnt == 0 {
            let mut addresses = device.ipv4().ok_or(Mismatch::NoDevice)?;
            addresses.any(|address| self.matches4(&address))
        } else {
            let mut addresses = device.ipv6().ok_or(Mismatch::NoDevice)?;
            addresses.any(|address| self.matches6(&address))
        };
        if found {
            Ok(())
        } else {
            Err(Mismatch::NoEntry)
        }
    }

    fn matches4(&self, address: &Ifaddr4) -> bool {
        u32::from(self.prefix_len) == address.mask_len() && address.holds(self.outgoing_subnet)
    }

    fn matches6(&self, address: &Ifaddr6) -> bool {
        !address.address.is_link_local()
            && self.ipv6().any(|(prefix, prefix_len)| {
                prefix_len == address.prefix_len
                    && address.address.prefix_equal(&prefix, prefix_len)
            })
    }

    /// The IPv6 prefixes and their lengths in bits, as the peer gives them: 0 to 255.
    fn ipv6(&self) -> impl Iterator<Item = (In6Addr, u32)> + 'a {
        let count = usize::from(self.ipv6_prefixes_cnt).min(MAX_V6_PREFIX);
        let prefixes = self.ipv6.chunks_exact(Self::IPV6_SIZE).take(count);
        prefixes.filter_map(|prefix| {
            let (address, rest) = prefix.split_first_chunk()?;
            Some((In6Addr::from_wire(*address), u32::from(*rest.first()?)))
        })
    }
}
