// SPDX-License-Identifier: GPL-2.0

//! Binding: a `struct smc_hs_ctrl` of our own in every network namespace.
//!
//! A namespace has one place for it, `net->smc.hs_ctrl`. The rule of that place is the kernel's:
//! who puts a control there takes a reference of its owner first, and who takes one out, in one
//! exchange, gives that reference back. A write to the sysctl `net.smc.hs_ctrl` takes out
//! whatever is there; so does the end of SMC's side of the namespace. So ours are put and taken
//! with a compare-and-exchange that touches nothing but an empty place and ours, and each place
//! that has ours counts one reference of this module, which then cannot be unloaded.
//!
//! C headers: `include/net/smc.h`, `include/net/netns/smc.h`; the sysctl is in
//! `net/smc/smc_sysctl.c`, the calls are in `net/ipv4/tcp_output.c`.

use core::ptr;
use core::sync::atomic::{
    AtomicPtr,
    Ordering, //
};

use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

use super::{
    Connection,
    Sock, //
};
use crate::bindings;
use crate::compat::label::Label;
use crate::compat::log;
use crate::compat::netns;
use crate::compat::rcu;
use crate::compat::version::this_module;

pub use super::judge::{
    Judge,
    Places, //
};

/// Whether the kernel has the hook.
pub const SUPPORTED: bool = true;

/// What the sysctl shows; at most 15 bytes.
const NAME: &[u8] = b"smcify";

/// The [`HsCtrl`] that there is, or null: the callbacks are given no hint of whose they are.
///
/// # Invariants
///
/// Not null while a place may have ours, or a callback of ours may run; then the type behind it
/// is the one that the callbacks were made for.
static PUBLISHED: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Asks its [`Judge`] about every handshake of SMC sockets, from the end of the initialisation
/// until it is dropped.
///
/// In every network namespace whose place is empty when this is made, or when the namespace is.
/// Who empties the place by the sysctl has it empty.
///
/// # Invariants
///
/// [`PUBLISHED`] points to it, and `ops` is registered. `ctrl` is never written to, and
/// reachable by others through the places only.
#[pin_data(PinnedDrop)]
pub struct HsCtrl<J: Judge> {
    judge: J,
    #[pin]
    ctrl: Opaque<bindings::smc_hs_ctrl>,
    #[pin]
    ops: Opaque<bindings::pernet_operations>,
}

// SAFETY: Any thread may end a registration, and a `Judge` may be sent to it.
unsafe impl<J: Judge> Send for HsCtrl<J> {}

// SAFETY: A shared reference gives access to the places only, which are atomic.
unsafe impl<J: Judge> Sync for HsCtrl<J> {}

impl<J: Judge> HsCtrl<J> {
    /// Publishes it in every network namespace, now and in future.
    ///
    /// A namespace that has a control of somebody else's keeps that, after one line in the log.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the module has one already.
    /// - `EOPNOTSUPP`: the kernel is older than 6.19, or built without
    ///   `CONFIG_SMC_HS_CTRL_BPF`.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep, and waits for namespaces that come or go.
    pub fn publish(judge: J) -> Result<Pin<KBox<Self>>> {
        KBox::try_pin_init(Self::new(judge), GFP_KERNEL)
    }

    fn new(judge: J) -> impl PinInit<Self, Error> {
        // INVARIANT: `register` leaves both as they must be, or fails.
        try_pin_init!(&this in Self {
            judge,
            ctrl <- Self::control(),
            // The last one: from here on the others are used.
            ops <- Opaque::try_ffi_init(move |ops: *mut bindings::pernet_operations| {
                // SAFETY: `ops` is valid for writes and pinned, in an otherwise complete
                // `Self` at `this`, and `drop` unregisters it.
                unsafe { Self::register(ops, this.as_ptr()) }
            }),
        })
    }

    /// The control: not to be found by its name, nor inherited by the kernel's own doing.
    fn control() -> impl PinInit<Opaque<bindings::smc_hs_ctrl>> {
        Opaque::ffi_init(|ctrl: *mut bindings::smc_hs_ctrl| {
            // SAFETY: `ctrl` is valid for writes, and all zeroes are one like any that C
            // defines.
            unsafe {
                ctrl.write_bytes(0, 1);
                (*ctrl).owner = this_module().as_ptr().cast();
                let place = (*ctrl).name.iter_mut().zip(NAME);
                place.for_each(|(to, from)| *to = *from as c_char);
                (*ctrl).syn_option = Some(Self::syn_option);
                (*ctrl).synack_option = Some(Self::synack_option);
            }
        })
    }

    /// # Safety
    ///
    /// `ops` must be valid for writes, and `this` point to the `Self` around it, complete but
    /// for `ops`. If `Ok` is returned, that must neither move nor go away before [`Self::drop`].
    unsafe fn register(ops: *mut bindings::pernet_operations, this: *mut Self) -> Result {
        // SAFETY: `ops` is valid for writes, and all zeroes are operations that do nothing.
        unsafe {
            ops.write_bytes(0, 1);
            (*ops).init = Some(Self::enter);
            (*ops).exit = Some(Self::leave);
        }
        // INVARIANT: It was null, so no place has ours and no callback runs.
        PUBLISHED
            .compare_exchange(
                ptr::null_mut(),
                this.cast(),
                Ordering::SeqCst,
                Ordering::SeqCst,
            )
            .map_err(|_| EBUSY)?;
        // SAFETY: `ops` is initialised, and stays by the safety requirement.
        to_result(unsafe { bindings::register_pernet_subsys(ops) }).inspect_err(|_| withdraw())
    }

    /// A namespace comes, or we do: ours takes its place if that is empty.
    ///
    /// SMC is there before, because this module refers to it: a control that the namespace
    /// inherits is in its place by now.
    ///
    /// Context: process context, with `pernet_ops_rwsem` held.
    ///
    /// # Safety
    ///
    /// Called by a registered `ops` of a `Self` only.
    unsafe extern "C" fn enter(net: *mut bindings::net) -> c_int {
        // SAFETY: The module is there: this is its code. It is not taken while it is being
        // unloaded, and then no place is.
        if !unsafe { bindings::try_module_get(this_module().as_ptr().cast()) } {
            return 0;
        }
        // A control of somebody else's is there for as long as this is held.
        let guard = rcu::read_lock();
        // SAFETY: `net` is alive, and `ours` is published, with its reference taken.
        let put = unsafe { place(net) }.compare_exchange(
            ptr::null_mut(),
            Self::ours(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if let Err(other) = put {
            // SAFETY: The reference was just taken, and there is no place that counts it.
            unsafe { bindings::module_put(this_module().as_ptr().cast()) };
            // SAFETY: `net` is alive, and `other` was in its place under the guard.
            unsafe { say_taken(net, other, &guard) };
        }
        0
    }

    /// A namespace goes, or we do: its place is emptied, unless somebody else has done so.
    ///
    /// Context: as for [`Self::enter`], which `unregister_pernet_subsys()` waits for: so this
    /// code stays to its end, even if it gives back the last reference of the module.
    ///
    /// # Safety
    ///
    /// As there.
    unsafe extern "C" fn leave(net: *mut bindings::net) {
        // SAFETY: `net` is alive.
        let taken = unsafe { place(net) }.compare_exchange(
            Self::ours(),
            ptr::null_mut(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if taken.is_ok() {
            // SAFETY: It was ours to take out, and with it the reference that it counted.
            unsafe { bindings::module_put(this_module().as_ptr().cast()) };
        }
    }

    /// Whether this SYN is to carry the SMC option, on the side that connects; asked each time
    /// that it is sent, until the answer is no.
    ///
    /// Context: process context (`connect()`) or softirq (a timer), under RCU, with the socket
    /// owned.
    ///
    /// # Safety
    ///
    /// Called by the kernel for a control of a `Self` only, as its header says.
    unsafe extern "C" fn syn_option(tp: *mut bindings::tcp_sock) -> c_int {
        // SAFETY: By the context.
        let guard = unsafe { rcu::held() };
        // SAFETY: A `tcp_sock` begins with its `sock`, which the caller owns.
        let connection = unsafe { Connection::of_syn(Sock::from_raw(tp.cast())) };
        // SAFETY: A place had ours, when the caller looked under RCU.
        unsafe { Self::published(guard) }
            .judge
            .smc(&connection, guard)
            .into()
    }

    /// Whether this SYN-ACK is to carry the SMC option, on the side that listens, after a SYN
    /// that did; asked each time that it is sent, until the answer is no.
    ///
    /// Context: softirq, or process context with softirqs off, under RCU. Nobody owns the
    /// listener.
    ///
    /// # Safety
    ///
    /// As for [`Self::syn_option`].
    unsafe extern "C" fn synack_option(
        tp: *const bindings::tcp_sock,
        ireq: *mut bindings::inet_request_sock,
    ) -> c_int {
        // SAFETY: By the context.
        let guard = unsafe { rcu::held() };
        // SAFETY: A `tcp_sock` begins with its `sock`; both it and the request are the
        // caller's, who is about to send the SYN-ACK, so the addresses are known.
        let connection = unsafe { Connection::of_syn_ack(Sock::from_raw(tp.cast()), ireq) };
        // SAFETY: A place had ours, when the caller looked under RCU.
        unsafe { Self::published(guard) }
            .judge
            .smc(&connection, guard)
            .into()
    }

    /// # Safety
    ///
    /// A place must have had ours since the RCU section began that `_guard` is part of.
    unsafe fn published(_guard: &rcu::Guard) -> &Self {
        // SAFETY: By the invariant of `PUBLISHED` it is there, and stays until all sections
        // have ended in which a place had ours.
        unsafe { &*PUBLISHED.load(Ordering::Acquire).cast() }
    }

    /// What ours looks like in a place; by address, so also before `Self` is complete.
    fn ours() -> *mut bindings::smc_hs_ctrl {
        let this = PUBLISHED.load(Ordering::Acquire).cast::<Self>();
        // SAFETY: By the invariant of `PUBLISHED` it points to a `Self`.
        Opaque::cast_into(unsafe { &raw const (*this).ctrl })
    }

    /// In how many namespaces this is published, and how many have somebody else's, at this
    /// moment.
    ///
    /// Context: any; takes as long as there are namespaces.
    pub fn places(&self) -> Places {
        let (mut places, mut net) = (Places::default(), ptr::null_mut());
        let _guard = rcu::read_lock();
        loop {
            // SAFETY: Under RCU, and `net` is null or was found in the same section.
            net = unsafe { bindings::smcify_net_next(net) };
            if net.is_null() {
                return places;
            }
            // SAFETY: A namespace on the list is alive while RCU is held.
            let ctrl = unsafe { place(net) }.load(Ordering::Relaxed);
            match ctrl.is_null() {
                true => {}
                false if ptr::eq(ctrl, self.ctrl.get()) => places.published += 1,
                false => places.taken += 1,
            }
        }
    }
}

#[pinned_drop]
impl<J: Judge> PinnedDrop for HsCtrl<J> {
    /// Takes it out of all places that have it, and waits until nobody looks at it any more.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant it is registered.
        unsafe { bindings::unregister_pernet_subsys(self.ops.get()) };
        withdraw();
    }
}

/// After the places have been emptied: waits for callbacks, and for those who came upon ours by
/// the sysctl and read its name or give back its reference. All hold RCU.
fn withdraw() {
    // SAFETY: Sleeping is allowed here.
    unsafe { bindings::synchronize_rcu() };
    // INVARIANT: No place has ours, and whoever saw it in one is done.
    PUBLISHED.store(ptr::null_mut(), Ordering::SeqCst);
}

/// The place of a namespace.
///
/// # Safety
///
/// `net` must stay alive for `'a`.
unsafe fn place<'a>(net: *mut bindings::net) -> &'a AtomicPtr<bindings::smc_hs_ctrl> {
    // SAFETY: The offset is that of a pointer in `net`, which is alive, and which C accesses
    // atomically only.
    unsafe {
        AtomicPtr::from_ptr(
            net.byte_add(bindings::smcify_offset_NET_HS_CTRL as usize)
                .cast(),
        )
    }
}

/// Says in the log, unless there were many lines lately, whose control a namespace has.
///
/// # Safety
///
/// `net` must be alive, and `other` must have been in its place under `_guard`.
unsafe fn say_taken(
    net: *mut bindings::net,
    other: *const bindings::smc_hs_ctrl,
    _guard: &rcu::Guard,
) {
    // SAFETY: `other` is not freed while RCU is held, and its name does not change.
    let name = Label::from_field(unsafe { (*other).name });
    // SAFETY: `net` is alive.
    let cookie = unsafe { netns::cookie(net) };
    log::warn_ratelimited!(
        "network namespace {cookie} has an hs_ctrl, {name:?}: left alone, no handshake rule \
         applies there\n"
    );
}
