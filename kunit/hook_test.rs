// SPDX-License-Identifier: GPL-2.0

//! KUnit: what the module tries before it loads.

use kernel::prelude::*;
use kernel::sync::Arc;

use crate::calls::{
    InNamespace,
    SOCK_CREATE_KERN, //
};
use crate::hook;
use crate::rules::policy::IPPROTO_SMCIFY;
use crate::trace::{
    Arguments,
    Handler,
    Rewrite, //
};

/// A protocol for experiments, which no kernel has.
const NO_PROTOCOL: i32 = 253;

/// A kernel without `smcify_stream.ko`'s sockets: no one can ask for them. In `sock_create_kern()` the
/// protocol is the fourth argument.
struct WithoutStream;

impl Handler<InNamespace> for WithoutStream {
    fn call(&self, mut arguments: Arguments<'_, InNamespace>) {
        if arguments.int::<3>() == IPPROTO_SMCIFY {
            arguments.set_int::<3>(NO_PROTOCOL);
        }
    }
}

#[kunit_tests(smcify_hook)]
mod tests {
    use super::*;

    #[test]
    fn without_its_sockets_it_is_eprotonosupport() {
        let before = hook::smc_is_there();
        let without = Arc::new(WithoutStream, GFP_KERNEL)
            .map_err(Error::from)
            .map(|handler| Rewrite::new(&[SOCK_CREATE_KERN], handler))
            .and_then(|rewrite| KBox::try_pin_init(rewrite, GFP_KERNEL));
        let during = hook::smc_is_there();
        // Dropped before anything is asserted: a failure runs no destructor.
        assert!(without.map(drop).is_ok());
        let refused = Error::from_errno(-(kernel::bindings::EPROTONOSUPPORT as i32));
        assert_eq!(during.err(), Some(refused));
        assert!(before.is_ok());
        assert!(hook::smc_is_there().is_ok());
    }

    #[test]
    fn both_functions_are_there() {
        assert!(hook::can_attach().is_ok());
    }
}
