// SPDX-License-Identifier: GPL-2.0

//! Errors as the operations give them to the socket layer: negative, in a `c_int`.
//!
//! Logic.

use kernel::bindings;
use kernel::prelude::*;

macro_rules! errno {
    ($($name:ident)*) => { $(
        #[doc = concat!("`-", stringify!($name), "`.")]
        pub const $name: c_int = -(bindings::$name as c_int);
    )* };
}

errno!(EAGAIN ECONNABORTED ECONNRESET EFAULT EINVAL ENOBUFS ENOTCONN EPIPE ENOIOCTLCMD EOPNOTSUPP);

/// An error as TCP would have it: SMC says of a connection whose link or device has gone
/// `ECONNABORTED`, of which a program does not expect that it was its own.
pub fn as_tcp(error: c_int) -> c_int {
    match error {
        ECONNABORTED => ECONNRESET,
        other => other,
    }
}
