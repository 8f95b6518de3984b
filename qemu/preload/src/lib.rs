// SPDX-License-Identifier: GPL-2.0
//! What `smc_run` of smc-tools preloads: a `socket()` that turns what asks for TCP into
//! `AF_SMC`, and passes everything on to the C library's.

use std::ffi::c_int;
use std::mem::transmute;
use std::sync::OnceLock;

/// The C library's `socket()`.
type Next = extern "C" fn(c_int, c_int, c_int) -> c_int;

const AF_SMC: c_int = 43;
const SMCPROTO_SMC: c_int = 0;
const SMCPROTO_SMC6: c_int = 1;
/// The bits of the type argument that hold the type.
const SOCK_TYPE_MASK: c_int = 0xf;

fn next() -> Option<Next> {
    static NEXT: OnceLock<Option<Next>> = OnceLock::new();
    *NEXT.get_or_init(|| {
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"socket".as_ptr()) };
        // SAFETY: null is `None`, and everything else is the function `socket()`.
        unsafe { transmute::<*mut libc::c_void, Option<Next>>(found) }
    })
}

/// `socket(2)`.
#[unsafe(no_mangle)]
pub extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let Some(next) = next() else {
        return -1;
    };
    let tcp = kind & SOCK_TYPE_MASK == libc::SOCK_STREAM
        && (protocol == libc::IPPROTO_IP || protocol == libc::IPPROTO_TCP);
    match domain {
        libc::AF_INET if tcp => next(AF_SMC, kind, SMCPROTO_SMC),
        libc::AF_INET6 if tcp => next(AF_SMC, kind, SMCPROTO_SMC6),
        _ => next(domain, kind, protocol),
    }
}
