// SPDX-License-Identifier: GPL-2.0

//! Binding: `smc.ko`: the hold on it, the question whether it has the fixes of its handling
//! of devices, and what smcify puts in the place of its functions.
//!
//! C sources: `net/smc/smc.h`, `net/smc/smc_clc.c`, `net/smc/af_smc.c`.

use core::slice;

use kernel::prelude::*;

use super::prefix_match;
use crate::bindings;
use crate::net::clc::Prefixes;
use crate::net::{
    Sock,
    Socket, //
};
use crate::trace::{
    address_of,
    Held,
    Replacement, //
};

/// The address of a symbol that `smc.ko` exports.
///
/// # Invariants
///
/// Never read through.
#[repr(transparent)]
struct Address(*const bindings::proto);

// SAFETY: An address alone may be known to every thread.
unsafe impl Sync for Address {}

/// Makes the module loader bind smcify to `smc.ko`: that one is loaded first and
/// stays while smcify does.
#[used]
static SMC_PROTO: Address = Address(&raw const bindings::smc_proto);

/// `smc_ulp_init()`, with one that refuses: the exchange of an open file's inode cannot be
/// reached, and the program keeps its TCP socket.
// SAFETY: `refuse_ulp` has the signature of `smc_ulp_init()` and does nothing at all.
pub const ULP_INIT: Replacement =
    unsafe { Replacement::new("smc_ulp_init", refuse_ulp as *const ()) };

/// `smc_clc_prfx_match()`, with [`prefix_match::prefix_match()`].
// SAFETY: The signatures are the same, and the requirements those of the original. It never
// sleeps.
pub const PRFX_MATCH: Replacement =
    unsafe { Replacement::new("smc_clc_prfx_match", prfx_match as *const ()) };

/// `smc_vlan_by_tcpsk()` keeps the device of its first argument's route while it waits for
/// RTNL.
// SAFETY: The first argument is the `struct socket` of a TCP connection that the caller owns.
pub const VLAN_BY_TCPSK: Held = unsafe { Held::by_socket("smc_vlan_by_tcpsk") };

/// `smc_pnet_find_ism_resource()` does so in `pnet_find_base_ndev()`, and goes on to wait for
/// the list of devices.
// SAFETY: The first argument is the `struct sock` of a TCP connection that the caller owns.
pub const FIND_ISM: Held = unsafe { Held::by_sock("smc_pnet_find_ism_resource") };

/// `smc_pnet_find_roce_resource()`, likewise.
// SAFETY: The first argument is the `struct sock` of a TCP connection that the caller owns.
pub const FIND_ROCE: Held = unsafe { Held::by_sock("smc_pnet_find_roce_resource") };

/// In the place of `smc_ulp_init()`.
///
/// Context: any.
extern "C" fn refuse_ulp(_sk: *mut bindings::sock) -> c_int {
    -(kernel::bindings::EOPNOTSUPP as c_int)
}

/// In the place of `smc_clc_prfx_match()`: 0, or the negative errno.
///
/// Context: process context; does not sleep.
///
/// # Safety
///
/// `clcsock` must be a connected socket that the caller owns. `prop` must lie in a `struct
/// smc_clc_msg_proposal_area`, no further than its `pclc_prfx`: there
/// `smc_clc_proposal_get_prefix()` looks for it, whatever the peer's message says.
unsafe extern "C" fn prfx_match(clcsock: *mut bindings::socket, prop: *const u8) -> c_int {
    // SAFETY: The socket is live by the safety requirement, and its `sk` with it.
    let sock = unsafe { Sock::from_raw((*clcsock).sk) };
    // SAFETY: By the safety requirement `pclc_prfx` and `pclc_prfx_ipv6`, together
    // `MAX_SIZE` bytes, or more of the area, follow. No one else writes there meanwhile.
    let area = unsafe { slice::from_raw_parts(prop, Prefixes::MAX_SIZE) };
    match prefix_match::prefix_match(sock, area) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// A prefix area, aligned as the kernel's own is.
#[repr(C, align(4))]
pub struct Area(pub [u8; Prefixes::MAX_SIZE]);

/// The kernel's `smc_clc_prfx_match()`, as it is or as somebody has redirected it.
///
/// # Invariants
///
/// The address is the function's, which stays: [`SMC_PROTO`] holds `smc.ko`.
#[derive(Clone, Copy)]
pub struct PrfxMatch(c_ulong);

impl PrfxMatch {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is absent, inlined for one; `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn find() -> Result<Self> {
        // INVARIANT: That is what is looked up.
        address_of(PRFX_MATCH.function()).map(Self)
    }

    /// Calls it: 0, or a negative errno.
    ///
    /// Context: process context, may sleep.
    pub fn call(self, clcsock: &Socket, area: &Area) -> c_int {
        // SAFETY: By the type invariant the function is there. It has two pointers as its
        // arguments: the socket is live, and `area` is as large as any that is looked at.
        unsafe {
            bindings::smcify_call_prfx_match(self.0, clcsock.as_ptr(), area.0.as_ptr().cast())
        }
    }

    /// Whether the running kernel lacks the upstream series of 6.18, "net: smc: use
    /// dst_dev_rcu()", which changed all that handle devices. It is asked, not looked up by
    /// its version, since distributions carry the series to others: with it, a socket without
    /// a route is `ENODEV`, and before it was `ENOTCONN`.
    ///
    /// # Errors
    ///
    /// Those of [`Socket::create_kern`].
    ///
    /// Context: process context, may sleep.
    pub fn is_unfixed(self) -> Result<bool> {
        let socket = Socket::create_kern(
            crate::rules::policy::AF_INET,
            crate::rules::policy::SOCK_STREAM,
            crate::rules::policy::IPPROTO_TCP,
        )?;
        let answer = self.call(&socket, &Area([0; Prefixes::MAX_SIZE]));
        Ok(answer == -(kernel::bindings::ENOTCONN as c_int))
    }
}
