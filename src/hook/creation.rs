// SPDX-License-Identifier: GPL-2.0

//! The creation hook: the protocol argument of socket creation is rewritten before
//! the kernel has allocated anything.
//!
//! Logic. Where that is possible for every way to a socket: [`CREATION`].

use kernel::prelude::*;
use kernel::sync::Arc;

use super::binding::{
    stream_protocol,
    SocketArguments, //
    CREATION,
};
use crate::compat::label::Label;
use crate::compat::task::Current;
use crate::net::Socket;
use crate::rules::policy::{
    self,
    Request, //
};
use crate::rules::{
    Rules,
    Task, //
};
use crate::trace::{
    Arguments,
    Handler,
    Rewrite, //
};

/// A rule is asked about the task that runs.
impl Task for Current<'_> {
    #[inline]
    fn cgroups(&self) -> impl Iterator<Item = u64> {
        self.cgroups()
    }

    #[inline]
    fn comm(&self) -> Label {
        self.comm()
    }

    #[inline]
    fn euid(&self) -> u32 {
        self.euid()
    }

    #[inline]
    fn netns(&self) -> u64 {
        self.netns()
    }
}

/// Decides on each socket request, and counts it.
impl Handler<SocketArguments> for Rules {
    /// Of most sockets the arguments say enough: they leave before anything else is loaded, or
    /// saved on the stack.
    #[inline]
    fn call(&self, mut arguments: Arguments<'_, SocketArguments>) {
        let request = Request {
            family: arguments.int::<0>(),
            kind: arguments.int::<1>(),
            protocol: arguments.int::<2>(),
        };
        match request.is_tcp() {
            true => {
                self.stats.seen_inet(request.family);
                decide(self, arguments);
            }
            false => {
                if request.is_ours() {
                    refuse(&mut arguments);
                }
                self.stats.seen(request.family);
            }
        }
    }
}

/// Decides on a request that is TCP. In a function of its own for what [`Rules::call`] says.
#[inline(never)]
fn decide(rules: &Rules, mut arguments: Arguments<'_, SocketArguments>) {
    Current::with(|task, guard| {
        if let Some(protocol) = rules.who(task, guard).protocol() {
            select(rules, &mut arguments, protocol);
        }
    });
}

/// The request is for `protocol` from now on. Apart and cold, so that no register is kept for it
/// where nothing is selected: that is what the others would pay for.
#[cold]
#[inline(never)]
fn select(rules: &Rules, arguments: &mut Arguments<'_, SocketArguments>, protocol: i32) {
    rules.stats.selected(arguments.int::<0>());
    arguments.set_int::<2>(protocol);
}

/// The request is for a protocol that does not exist.
#[cold]
#[inline(never)]
fn refuse(arguments: &mut Arguments<'_, SocketArguments>) {
    arguments.set_int::<2>(policy::IPPROTO_NONE);
}

/// The hook, attached until it is dropped.
pub type Hook = Rewrite<Rules, SocketArguments>;

/// Attaches the hook; sockets created from now on are decided upon, until the
/// returned value is dropped.
///
/// # Errors
///
/// Those of [`Rewrite::new`], each after one line in the kernel log.
///
/// Context: process context, may sleep.
pub fn attach(rules: Arc<Rules>) -> Result<Pin<KBox<Hook>>> {
    KBox::try_pin_init(Rewrite::new(CREATION, rules), GFP_KERNEL)
}

/// Tries the hook once, without rules, and takes it off again.
///
/// # Errors
///
/// Those of [`attach`].
///
/// Context: process context, may sleep.
pub fn can_attach() -> Result {
    attach(Arc::new(Rules::default(), GFP_KERNEL)?).map(drop)
}

/// Creates one SMC socket as a selected program would be given, and releases it.
///
/// # Errors
///
/// `EPROTONOSUPPORT` where `smcify_stream.ko` has no such sockets, after one line in the
/// kernel log; otherwise what the socket layer answers.
///
/// Context: process context, may sleep.
pub fn smc_is_there() -> Result {
    let (family, kind, protocol) = (policy::AF_INET, policy::SOCK_STREAM, stream_protocol());
    Socket::create_kern(family, kind, protocol)
        .map(drop)
        .inspect_err(|error| pr_err!("no SMC socket to be had here ({error:?})\n"))
}
