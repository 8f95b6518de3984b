// SPDX-License-Identifier: GPL-2.0

//! KUnit: `Rewrite`, `Redirect` and `Hold` on functions of the running kernel.
//!
//! An assertion that fails ends the test's thread without running a destructor. So what is
//! attached is dropped first, and looked at afterwards.

use core::sync::atomic::{
    AtomicI32,
    Ordering, //
};

use kernel::prelude::*;
use kernel::sync::Arc;

use crate::calls::{
    getsockname,
    references,
    InNamespace,
    ABSENT,
    INNER,
    NO_FUNCTION,
    OUTER,
    REFUSAL,
    REFUSED_SOCKETS,
    SOCK_CREATE_KERN,
    TOO_LONG, //
};
use crate::net::{
    ARef,
    NetDevice,
    Socket, //
};
use crate::net_test::{
    device,
    routed4,
    BY_DUMMY, //
};
use crate::trace::{
    Arguments,
    Handler,
    Hold,
    Redirect,
    Rewrite,
    Rewritten, //
};

const AF_INET: i32 = 2;
const SOCK_DGRAM: i32 = 2;
/// Socket types that no kernel has.
const NO_TYPE: i32 = 9;
const NO_TYPE_EITHER: i32 = 8;

/// Makes a datagram socket of a request for [`NO_TYPE`]. In `sock_create_kern()` the
/// arguments are namespace, family, type, protocol.
struct Datagram;

impl Handler<InNamespace> for Datagram {
    fn call(&self, mut arguments: Arguments<'_, InNamespace>) {
        if arguments.int::<1>() == AF_INET && arguments.int::<2>() == NO_TYPE {
            arguments.set_int::<2>(SOCK_DGRAM);
        }
    }
}

type Attached = Pin<KBox<Rewrite<Datagram, InNamespace>>>;

fn attach(functions: &'static [Rewritten<InNamespace>]) -> Result<Attached> {
    let handler = Arc::new(Datagram, GFP_KERNEL)?;
    KBox::try_pin_init(Rewrite::new(functions, handler), GFP_KERNEL)
}

fn refuse_sockets() -> Result<Pin<KBox<Redirect>>> {
    KBox::try_pin_init(Redirect::new(REFUSED_SOCKETS), GFP_KERNEL)
}

fn create() -> Result {
    Socket::create_kern(AF_INET, SOCK_DGRAM, 0).map(drop)
}

/// Looks at a device's references in the middle of a call that should hold one.
struct Look {
    dev: ARef<NetDevice>,
    seen: Arc<AtomicI32>,
}

impl Handler<()> for Look {
    fn call(&self, _arguments: Arguments<'_, ()>) {
        self.seen.store(references(&self.dev), Ordering::Relaxed);
    }
}

/// The references to a socket's device before, in the middle of and after a call, with `hold`
/// attached in the meantime if that is wanted.
fn counted(wanted: bool) -> Result<[i32; 3]> {
    let socket = routed4(BY_DUMMY)?;
    let dev = device(&socket)?;
    let seen = Arc::new(AtomicI32::new(-1), GFP_KERNEL)?;
    let look = Look {
        dev: dev.clone(),
        seen: seen.clone(),
    };
    let look = Arc::new(look, GFP_KERNEL)?;
    let look = KBox::try_pin_init(Rewrite::new(INNER, look), GFP_KERNEL)?;
    let hold = match wanted {
        true => Some(KBox::try_pin_init(Hold::new(OUTER), GFP_KERNEL)?),
        false => None,
    };
    let before = references(&dev);
    getsockname(&socket);
    let counts = [before, seen.load(Ordering::Relaxed), references(&dev)];
    drop((hold, look));
    Ok(counts)
}

#[kunit_tests(smcify_trace)]
mod tests {
    use super::*;

    #[test]
    fn the_function_sees_the_new_argument() {
        let create = || Socket::create_kern(AF_INET, NO_TYPE, 0).map(drop);
        let before = create();
        let attached = attach(&[SOCK_CREATE_KERN]);
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
        assert_eq!(attach(&[ABSENT]).err(), Some(ENOENT));
    }

    #[test]
    fn one_absent_function_of_two_is_enoent() {
        let functions = &[SOCK_CREATE_KERN, ABSENT];
        assert_eq!(attach(functions).err(), Some(ENOENT));
    }

    #[test]
    fn a_name_too_long_is_enoent() {
        let functions = &[TOO_LONG];
        assert_eq!(attach(functions).err(), Some(ENOENT));
    }

    #[test]
    fn attaching_twice_is_two_attachments() {
        let functions = &[SOCK_CREATE_KERN];
        let first = attach(functions);
        let second = attach(functions);
        assert!(first.map(drop).is_ok());
        assert!(second.map(drop).is_ok());
        assert!(attach(functions).map(drop).is_ok());
    }

    #[test]
    fn a_redirected_function_is_the_other_one() {
        let before = create();
        let redirected = refuse_sockets();
        let during = create();
        assert!(redirected.map(drop).is_ok());
        assert_eq!((before, during, create()), (Ok(()), Err(REFUSAL), Ok(())));
    }

    #[test]
    fn what_is_redirected_is_ebusy() {
        let first = refuse_sockets();
        let second = refuse_sockets();
        let (first, second) = (first.map(drop).is_ok(), second.err());
        let third = refuse_sockets().map(drop);
        assert!(first);
        assert_eq!(second, Some(EBUSY));
        assert!(third.is_ok());
    }

    #[test]
    fn a_rewritten_function_can_be_redirected() {
        let rewritten = attach(&[SOCK_CREATE_KERN]);
        let redirected = refuse_sockets();
        let during = create();
        assert!(redirected.map(drop).is_ok());
        assert!(rewritten.map(drop).is_ok());
        assert_eq!(during, Err(REFUSAL));
    }

    #[test]
    fn a_device_is_held_for_the_length_of_a_call() {
        let (with, without) = (counted(true), counted(false));
        let more = |counts: [i32; 3]| counts.map(|it| it - counts[0]);
        assert_eq!(with.map(more), Ok([0, 1, 0]));
        assert_eq!(without.map(more), Ok([0, 0, 0]));
    }

    #[test]
    fn to_hold_in_an_absent_function_is_enoent() {
        let hold = KBox::try_pin_init(Hold::new(NO_FUNCTION), GFP_KERNEL);
        assert_eq!(hold.err(), Some(ENOENT));
    }
}
