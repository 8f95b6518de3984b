// SPDX-License-Identifier: GPL-2.0

//! KUnit: `Rewrite` on functions of the running kernel.

use core::sync::atomic::{
    AtomicI32,
    Ordering::Relaxed, //
};

use kernel::prelude::*;

use crate::trace::{
    Arguments,
    Handler,
    Rewrite, //
};

/// Turns a protocol that no kernel has into another one, and counts.
struct Swap;

const FROM: i32 = 498;
const TO: i32 = 499;
static CALLS: AtomicI32 = AtomicI32::new(0);

impl Handler for Swap {
    fn call(&self, arguments: &mut Arguments<'_>) {
        if arguments.int::<2>() == FROM {
            CALLS.fetch_add(1, Relaxed);
            arguments.set_int::<2>(TO);
        }
    }
}

fn attach(functions: &'static [&'static str]) -> Result<Pin<KBox<Rewrite<Swap>>>> {
    KBox::try_pin_init(Rewrite::new(functions, Swap), GFP_KERNEL)
}

#[kunit_tests(smcify_trace)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_function_is_enoent() {
        assert_eq!(attach(&["smcify_no_such_function"]).err(), Some(ENOENT));
    }

    #[test]
    fn one_absent_function_of_two_is_enoent() {
        let functions = &["update_socket_protocol", "smcify_no_such_function"];
        assert_eq!(attach(functions).err(), Some(ENOENT));
    }

    #[test]
    fn a_name_too_long_is_refused() {
        assert_eq!(
            attach(&["smcify_a_function_name_that_is_much_longer_than_any_other_name_here"]).err(),
            Some(EINVAL)
        );
    }

    #[test]
    fn attaching_twice_is_two_attachments() {
        let functions = &["update_socket_protocol"];
        let first = attach(functions);
        let second = attach(functions);
        assert!(first.is_ok() && second.is_ok());
        drop(first);
        drop(second);
        assert!(attach(functions).is_ok());
    }
}
