// SPDX-License-Identifier: GPL-2.0

//! Binding: keep a device for as long as a call of a function lasts, `struct fprobe`.
//!
//! At entry the egress device of the call's socket is held, at exit let go: a device that the
//! function keeps without a reference is then alive until it returns, however long it sleeps.
//!
//! What it cannot close: the function loads the device for itself, a moment later. In between
//! the socket can be given another route by another device, or the route another device; the
//! one that is held is then not the one that is used. That takes a change of routes between two
//! instructions of one task, and the unregistering of the new device in the same call. A device
//! that goes away in between is no such case: its routes are left with the blackhole device,
//! which is never freed. And a call is not held if the stack that the kernel keeps for the
//! exits of the task's calls is full, or the task has none: `nmissed` of the fprobe and
//! `trace_overrun` of the task count the first, nobody the second.
//!
//! C header: `include/linux/fprobe.h`.

use core::ptr::{
    self,
    NonNull, //
};
use core::sync::atomic::{
    AtomicBool,
    AtomicUsize,
    Ordering, //
};

use kernel::container_of;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::sync::Completion;
use kernel::types::Opaque;

use super::Anchor;
use super::Arguments;
use crate::bindings;
use crate::compat::symbol;
use crate::net::{
    ARef,
    NetDevice,
    Sock, //
};

/// What the first argument of a function is.
#[derive(Clone, Copy)]
enum First {
    Socket,
    Sock,
}

/// A function during whose calls the egress device of a socket is held.
///
/// # Invariants
///
/// In each call of the kernel's `function` the first argument points to what `first` says,
/// alive.
#[derive(Clone, Copy)]
pub struct Held {
    function: &'static str,
    first: First,
}

impl Held {
    /// # Safety
    ///
    /// The first argument of the kernel's `function` must always be a live `struct socket`
    /// with a `sk`.
    pub const unsafe fn by_socket(function: &'static str) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            function,
            first: First::Socket,
        }
    }

    /// # Safety
    ///
    /// The first argument of the kernel's `function` must always be a live `struct sock`.
    pub const unsafe fn by_sock(function: &'static str) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            function,
            first: First::Sock,
        }
    }

    /// The name of the kernel function.
    pub const fn function(&self) -> &'static str {
        self.function
    }

    /// The device that this call's socket sends by.
    fn device(&self, arguments: &mut Arguments<'_, ()>) -> Option<ARef<NetDevice>> {
        let first = arguments.pointer::<0>();
        let sk = match self.first {
            First::Sock => first.cast(),
            // SAFETY: By the type invariant.
            First::Socket => unsafe { (*first.cast::<bindings::socket>()).sk },
        };
        // SAFETY: By the type invariant the socket is live, until the call returns.
        let sock = unsafe { Sock::from_raw(sk) };
        let guard = rcu::read_lock();
        sock.dst(&guard)?.dev(&guard).map(ARef::from)
    }
}

/// A function in whose calls the device is held, from the end of the initialisation until the
/// value is dropped.
///
/// # Invariants
///
/// `fprobe` is registered. `calls` is one more than the calls that hold a device, or are about
/// to; the one is taken away when `closing` has been set.
#[pin_data(PinnedDrop)]
pub struct Hold {
    held: Held,
    calls: AtomicUsize,
    closing: AtomicBool,
    #[pin]
    drained: Completion,
    #[pin]
    _anchor: Anchor,
    #[pin]
    fprobe: Opaque<bindings::fprobe>,
}

// SAFETY: Any thread may end a registration.
unsafe impl Send for Hold {}

// SAFETY: A shared reference gives access to nothing but atomics and the completion.
unsafe impl Sync for Hold {}

impl Hold {
    /// Attaches to the function that `held` names. Calls under way are not held.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the function is absent, or ftrace cannot reach it.
    /// - `EBUSY`: the function graph tracer, which has room for 16, cannot take another user.
    /// - `EOPNOTSUPP`: ftrace is switched off.
    /// - `ENOMEM`.
    ///
    /// Context: process context, may sleep.
    pub fn new(held: Held) -> impl PinInit<Self, Error> {
        // INVARIANT: `register` leaves `fprobe` registered.
        try_pin_init!(Self {
            held,
            calls: AtomicUsize::new(1),
            closing: AtomicBool::new(false),
            drained <- Completion::new(),
            _anchor <- Anchor::new(held.function),
            // The last one: from here on the others are used.
            fprobe <- Opaque::try_ffi_init(move |fprobe: *mut bindings::fprobe| {
                // SAFETY: `fprobe` is valid for writes and pinned, in an otherwise complete
                // `Self`, and `drop` unregisters it.
                unsafe { Self::register(fprobe, held.function) }
            }),
        })
    }

    /// # Safety
    ///
    /// `fprobe` must be valid for writes. If `Ok` is returned, it and the `Self` around it must
    /// neither move nor go away before it is unregistered.
    unsafe fn register(fprobe: *mut bindings::fprobe, function: &str) -> Result {
        let mut address = symbol::address_of(function)?;
        // SAFETY: `fprobe` is valid for writes by the safety requirement, and all zeroes are a
        // `struct fprobe` like any that C defines.
        unsafe {
            fprobe.write_bytes(0, 1);
            (*fprobe).entry_handler = Some(Self::entry);
            (*fprobe).exit_handler = Some(Self::exit);
            (*fprobe).entry_data_size = size_of::<NonNull<NetDevice>>();
        }
        // SAFETY: `fprobe` is initialised and stays by the safety requirement; `address` is one
        // address.
        let answer = unsafe { bindings::register_fprobe_ips(fprobe, &raw mut address, 1) };
        match to_result(answer) {
            Err(ENOSPC) => Err(EBUSY),
            answer => answer.map_err(symbol::absent),
        }
    }

    /// # Safety
    ///
    /// `fprobe` must be that of a `Self` that lives for `'a`.
    unsafe fn of<'a>(fprobe: *mut bindings::fprobe) -> &'a Self {
        let fprobe = fprobe.cast::<Opaque<bindings::fprobe>>();
        // SAFETY: By the safety requirement.
        unsafe { &*container_of!(fprobe, Self, fprobe) }
    }

    /// Holds the device; 0 if there is one, so that [`Self::exit`] is called.
    ///
    /// Context: that of the function's caller, with preemption off; does not sleep.
    ///
    /// # Safety
    ///
    /// Called by the fprobe alone, with `data` of `entry_data_size` bytes.
    unsafe extern "C" fn entry(
        fprobe: *mut bindings::fprobe,
        _entry_ip: c_ulong,
        _ret_ip: c_ulong,
        regs: *mut bindings::ftrace_regs,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: It is registered, so by the invariants the `Self` around it lives.
        let this = unsafe { Self::of(fprobe) };
        // Counted before `closing` is looked at, as `drop` sets that before it looks at the
        // count: one of the two sees the other.
        this.calls.fetch_add(1, Ordering::SeqCst);
        if !this.closing.load(Ordering::SeqCst) {
            // SAFETY: `regs` is what ftrace saved, and lives until this returns. No argument is
            // set.
            let mut arguments = unsafe { Arguments::from_raw(regs) };
            if let Some(dev) = this.held.device(&mut arguments) {
                // SAFETY: By the safety requirement there is room for it.
                unsafe { data.cast::<NonNull<NetDevice>>().write(ARef::into_raw(dev)) };
                return 0;
            }
        }
        this.leave();
        1
    }

    /// Lets the device go that [`Self::entry`] held.
    ///
    /// Context: as there.
    ///
    /// # Safety
    ///
    /// Called by the fprobe alone, with the `data` that an entry has filled, or that an exit has
    /// emptied since.
    unsafe extern "C" fn exit(
        fprobe: *mut bindings::fprobe,
        _entry_ip: c_ulong,
        _ret_ip: c_ulong,
        _regs: *mut bindings::ftrace_regs,
        data: *mut c_void,
    ) {
        // SAFETY: It is registered, so by the invariants the `Self` around it lives.
        let this = unsafe { Self::of(fprobe) };
        // The place may be found once more by a call that held nothing: up to 6.17 the kernel does
        // not clear all of what it hands out (`memset()` in `fprobe_entry()`), and goes over it to
        // its end.
        // SAFETY: By the safety requirement there is a pointer or null.
        let held = unsafe { data.cast::<*mut NetDevice>().replace(ptr::null_mut()) };
        if let Some(dev) = NonNull::new(held) {
            // SAFETY: An entry has held it, and it is let go once: the place is null from now on.
            drop(unsafe { ARef::from_raw(dev) });
            this.leave();
        }
    }

    /// A call that was counted is over.
    fn leave(&self) {
        if self.calls.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.drained.complete_all();
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Hold {
    /// Refuses new calls, waits until those that hold a device have returned, however long
    /// they sleep, and detaches.
    fn drop(self: Pin<&mut Self>) {
        self.closing.store(true, Ordering::SeqCst);
        self.leave();
        self.drained.wait_for_completion();
        // Up to 6.17 it allocates a few bytes; while it cannot, the fprobe is still there.
        // SAFETY: By the type invariant it is registered.
        while to_result(unsafe { bindings::unregister_fprobe(self.fprobe.get()) }) == Err(ENOMEM) {
            // SAFETY: Sleeping is allowed here.
            unsafe { bindings::synchronize_rcu() };
        }
        // Nor does it wait, up to there, for handlers that still look at `closing`.
        // SAFETY: Sleeping is allowed here.
        unsafe { bindings::synchronize_rcu() };
    }
}
