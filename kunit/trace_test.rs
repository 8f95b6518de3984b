// SPDX-License-Identifier: GPL-2.0

//! KUnit: `Rewrite` on functions of the running kernel.
//!
//! An assertion that fails ends the test's thread without running a destructor. So what is
//! attached is dropped first, and looked at afterwards.

use kernel::prelude::*;

use crate::net::Socket;
use crate::trace::{
    Arguments,
    Handler,
    Rewrite, //
};

const AF_INET: i32 = 2;
const SOCK_DGRAM: i32 = 2;
/// Socket types that no kernel has.
const NO_TYPE: i32 = 9;
const NO_TYPE_EITHER: i32 = 8;

/// Makes a datagram socket of a request for [`NO_TYPE`]. In `sock_create_kern()` the
/// arguments are namespace, family, type, protocol.
struct Datagram;

impl Handler for Datagram {
    fn call(&self, arguments: &mut Arguments<'_>) {
        if arguments.int::<1>() == AF_INET && arguments.int::<2>() == NO_TYPE {
            arguments.set_int::<2>(SOCK_DGRAM);
        }
    }
}

fn attach(functions: &'static [&'static str]) -> Result<Pin<KBox<Rewrite<Datagram>>>> {
    KBox::try_pin_init(Rewrite::new(functions, Datagram), GFP_KERNEL)
}

#[kunit_tests(smcify_trace)]
mod tests {
    use super::*;

    #[test]
    fn the_function_sees_the_new_argument() {
        let create = || Socket::create_kern(AF_INET, NO_TYPE, 0).map(drop);
        let before = create();
        let attached = attach(&["sock_create_kern"]);
        let during = create();
        // What the handler leaves alone stays as it is.
        let other = Socket::create_kern(AF_INET, NO_TYPE_EITHER, 0).map(drop);
        assert!(attached.map(drop).is_ok());
        assert!(before.is_err());
        assert!(during.is_ok());
        assert!(other.is_err());
        assert!(create().is_err());
    }

    #[test]
    fn an_absent_function_is_enoent() {
        assert_eq!(attach(&["smcify_no_such_function"]).err(), Some(ENOENT));
    }

    #[test]
    fn one_absent_function_of_two_is_enoent() {
        let functions = &["sock_create_kern", "smcify_no_such_function"];
        assert_eq!(attach(functions).err(), Some(ENOENT));
    }

    #[test]
    fn a_name_too_long_is_enoent() {
        let functions = &["smcify_a_function_name_that_is_much_longer_than_any_other_name_here"];
        assert_eq!(attach(functions).err(), Some(ENOENT));
    }

    #[test]
    fn attaching_twice_is_two_attachments() {
        let functions = &["sock_create_kern"];
        let first = attach(functions);
        let second = attach(functions);
        assert!(first.map(drop).is_ok());
        assert!(second.map(drop).is_ok());
        assert!(attach(functions).map(drop).is_ok());
    }
}
