// SPDX-License-Identifier: GPL-2.0

//! Binding: the protocol, `struct inet_protosw`: sockets with SMC's `struct proto` and operations of
//! our own.
//!
//! What `inet_create()` makes of the number is an SMC socket from its first moment, whose operations are
//! these; SMC's own `init` says that its protocol is `IPPROTO_SMC`. Accepted sockets have the
//! operations of their listener. Each such socket counts this module, by the operations' `owner`,
//! until the socket layer has called `release`, so no task is inside an operation once it can go.
//!
//! C sources: `include/net/protocol.h`, `net/ipv4/af_inet.c`.

use core::mem;
use core::ptr::NonNull;

use kernel::error::to_result;
use kernel::prelude::*;

use super::binding;
use super::layout::Inner;
use crate::bindings;
use crate::compat::version::this_module;
use crate::policy::{
    AF_INET,
    AF_INET6,
    IPPROTO_SMCIFY,
    SOCK_STREAM, //
};
use crate::socket::Socket;

/// The operations of one family's sockets, and what they go by.
#[repr(C)]
pub struct Ops {
    /// A socket's `ops` point to this, the first field.
    table: bindings::proto_ops,
    smc: *const bindings::proto_ops,
    is_known: bool,
    queue: *mut bindings::workqueue_struct,
}

impl Ops {
    /// SMC's own.
    pub fn smc(&self) -> &bindings::proto_ops {
        // SAFETY: They are a constant of `smc.ko`, which stays: `stream.c` uses a symbol of it.
        unsafe { &*self.smc }
    }

    /// SMC's struct is as `layout.rs` says.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Where a [`Later`](super::later::Later) is queued.
    pub fn queue(&self) -> *mut bindings::workqueue_struct {
        self.queue
    }
}

/// One family's sockets, registered while it lives.
///
/// # Invariants
///
/// If `is_registered`, `switch` is; it stays where it is.
struct Family {
    ops: Ops,
    switch: bindings::inet_protosw,
    is_inet6: bool,
    is_registered: bool,
}

impl Family {
    /// Registers the protocol for `family`; `is_known` tells of a fresh socket of SMC's whether
    /// its struct is.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: somebody has the number already.
    /// - `EAFNOSUPPORT`: there is no such family here.
    /// - `EPROTONOSUPPORT`: the kernel has no `IPPROTO_SMC`.
    /// - `ENOMEM`.
    fn new(
        family: c_int,
        queue: &Queue,
        is_known: impl FnOnce(*mut bindings::sock) -> Result<bool>,
    ) -> Result<KBox<Self>> {
        if Socket::create_kern(family, SOCK_STREAM, IPPROTO_SMCIFY).is_ok() {
            pr_err!("protocol {IPPROTO_SMCIFY} is somebody else's here\n");
            return Err(EEXIST);
        }
        let probe = Socket::create_kern(family, SOCK_STREAM, bindings::IPPROTO_SMC as c_int)?;
        // SAFETY: A fresh socket of SMC's, whose operations are a constant of that.
        let (smc, table, sk) = unsafe {
            let probe = probe.as_ptr();
            ((*probe).ops, *(*probe).ops, (*probe).sk)
        };
        let ops = Ops {
            table,
            smc,
            is_known: is_known(sk)?,
            queue: queue.0.as_ptr(),
        };
        // SAFETY: All zeroes are a `struct inet_protosw` like any that C defines.
        let switch = unsafe { mem::zeroed() };
        // INVARIANT: Nothing is registered yet.
        let mut family = KBox::new(
            Self {
                ops,
                switch,
                is_inet6: family == AF_INET6,
                is_registered: false,
            },
            GFP_KERNEL,
        )?;
        family.ops.table.owner = this_module().as_ptr().cast();
        binding::replace(&mut family.ops.table);
        family.switch.type_ = SOCK_STREAM as u16;
        family.switch.protocol = IPPROTO_SMCIFY as u16;
        // SAFETY: A live socket.
        family.switch.prot = unsafe { bindings::smcify_sk_proto(sk) };
        family.switch.ops = &raw const family.ops.table;
        let switch = &raw mut family.switch;
        // SAFETY: `switch` and `ops` stay where they are, in the box, until they are unregistered.
        to_result(unsafe { bindings::smcify_register(switch, family.is_inet6) })?;
        // INVARIANT: That is what has just been done.
        family.is_registered = true;
        Ok(family)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if self.is_registered {
            // SAFETY: By the type invariant. This waits until nobody looks at it.
            unsafe { bindings::smcify_unregister(&raw mut self.switch, self.is_inet6) };
        }
    }
}

/// Where the workers get their work.
///
/// # Invariants
///
/// A live workqueue, and ours.
struct Queue(NonNull<bindings::workqueue_struct>);

impl Queue {
    fn new() -> Result<Self> {
        // SAFETY: An FFI call without requirements.
        let queue = unsafe { bindings::smcify_queue() };
        // INVARIANT: It has just been made.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Nothing is to come: what is queued counts this module. This
        // waits for the last instructions of what has been.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// There is no IPv6 here; up to 7.2 the kernel crate has no such [`Error`].
const AFNOSUPPORT: c_int = -(kernel::bindings::EAFNOSUPPORT as c_int);

/// The protocol, registered while it lives.
pub struct Protocol {
    _inet: KBox<Family>,
    _inet6: Option<KBox<Family>>,
    /// Dropped last.
    _queue: Queue,
}

// SAFETY: What it consists of is not bound to a thread, and its methods take no part of it out.
unsafe impl Send for Protocol {}
// SAFETY: As above.
unsafe impl Sync for Protocol {}

impl Protocol {
    /// Registers it, for IPv6 too where there is such.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: somebody has its number already; one line in the log says so.
    /// - `EPROTONOSUPPORT`: the kernel has no `IPPROTO_SMC`.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new() -> Result<Self> {
        let queue = Queue::new()?;
        // SAFETY: The socket is fresh, and SMC's.
        let inet = Family::new(AF_INET, &queue, |sk| unsafe { Inner::is_as_known(sk) })
            .inspect_err(|error| pr_err!("no socket of SMC's to be had here ({error:?})\n"))?;
        // Its struct is the same, with what IPv6 needs behind it.
        let is_known = inet.ops.is_known;
        if !is_known {
            pr_warn!("SMC's sockets are not as known: closing, names and options stay SMC's own\n");
        }
        let inet6 = match Family::new(AF_INET6, &queue, |_| Ok(is_known)) {
            Err(error) if error.to_errno() == AFNOSUPPORT => None,
            other => Some(other?),
        };
        Ok(Self {
            _inet: inet,
            _inet6: inet6,
            _queue: queue,
        })
    }
}

/// The protocol's number, for `smcify.ko`: who uses this symbol is loaded after this module and
/// keeps it.
#[no_mangle]
pub extern "C" fn smcify_stream_protocol() -> c_int {
    IPPROTO_SMCIFY
}
