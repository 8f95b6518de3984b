// SPDX-License-Identifier: GPL-2.0

//! Binding: what is done to a connection once nothing of it is unsent any more, by a worker.
//!
//! TCP calls the like orphans (`tcp_close()`), and this keeps to its limits: so many at a time
//! ([`MOST`]), so long each ([`LONGEST`]); what is beyond them is reset, so that the peer sees
//! that something is missing.
//!
//! C header: `include/linux/workqueue.h`.

use core::mem;
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

use kernel::prelude::*;

use super::closing::SHUT_WR;
use super::protocol::Ops;
use super::socket::Stream;
use crate::bindings;
use crate::compat::version::this_module;

/// How many connections may be kept: the smallest that TCP's own limit, `tcp_max_orphans`, is
/// by default, `NR_FILE`. The number that TCP goes by is not exported.
const MOST: usize = 8192;

/// How long one is kept, in milliseconds: 15 minutes, which is what `tcp_retries2` is by default,
/// "a duration of 924.6 seconds" (`tcp(7)`).
const LONGEST: u32 = 924_600;

/// How long it is waited before it is looked again, in milliseconds: at first, and at most.
const FIRST: u32 = 1;
const LAST: u32 = 50;

/// How many there are.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// What is done at the end.
enum What {
    /// The socket is closed: one that the connection has been moved to.
    Close,
    /// It is said that no more is sent, by a stand-in for the socket that the program has.
    Shut,
}

/// A connection that waits for its data to be sent.
///
/// # Invariants
///
/// `work` is the first field, queued or running. The connection, `socket.sk`, is counted, as is this
/// module.
#[repr(C)]
pub struct Later {
    work: bindings::delayed_work,
    what: What,
    /// Of [`What::Close`] the new socket, of [`What::Shut`] `stand_in`.
    socket: *mut bindings::socket,
    stand_in: bindings::socket,
    sk: *mut bindings::sock,
    /// Milliseconds until the next look, and those that have passed.
    pause: u32,
    passed: u32,
}

impl Later {
    /// The connection of `stream`, which is being closed, is closed once all is sent: it is moved to
    /// a socket that nobody else has. On success `stream` has none any more.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if there are [too many](MOST); nothing has been done then.
    ///
    /// Context: process context, may sleep.
    pub fn close(stream: &Stream) -> Result {
        let mut later = Self::new(stream, What::Close)?;
        // SAFETY: An FFI call without requirements.
        let new = unsafe { bindings::sock_alloc() };
        if new.is_null() {
            later.forget();
            return Err(ENOMEM);
        }
        let old = stream.as_ptr();
        // SAFETY: `new` is a fresh socket that nobody else has. It counts the owner of its
        // operations, as any socket does, and gives that back when it is released.
        unsafe {
            (*new).ops = (*old).ops;
            (*new).type_ = (*old).type_;
            (*new).state = (*old).state;
            (*new).flags = 0;
            bindings::__module_get(this_module().as_ptr().cast());
        }
        let sk = stream.sk();
        // SAFETY: Both are live; the lock is held, and with the file nobody else has the old socket.
        sk.locked(|| unsafe { bindings::smcify_sk_move(sk.as_ptr(), new) });
        // SAFETY: Its last user is the caller, who asked for this.
        unsafe { (*old).sk = ptr::null_mut() };
        later.socket = new;
        later.queue();
        Ok(())
    }

    /// The connection of `stream` is told that no more is sent, once all is. The program keeps the
    /// socket, and may close it meanwhile; until then it is waited as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Later::close`].
    ///
    /// Context: process context, may sleep.
    pub fn shutdown(stream: &Stream) -> Result {
        let mut later = Self::new(stream, What::Shut)?;
        // SMC's `shutdown` looks at the socket's state and at its `sk`, under the lock of that.
        later.stand_in.state = bindings::socket_state_SS_CONNECTED;
        later.stand_in.sk = later.sk;
        // SAFETY: A live socket.
        later.stand_in.ops = unsafe { (*stream.as_ptr()).ops };
        later.socket = &raw mut later.stand_in;
        later.queue();
        Ok(())
    }

    fn new(stream: &Stream, what: What) -> Result<KBox<Self>> {
        if KEPT.fetch_add(1, Ordering::Relaxed) >= MOST {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(ENOMEM);
        }
        // SAFETY: All zeroes are what C would make of both; `work` is initialised below.
        let (work, stand_in) = unsafe { (mem::zeroed(), mem::zeroed()) };
        let sk = stream.sk().as_ptr();
        let later = KBox::new(
            Self {
                work,
                what,
                socket: ptr::null_mut(),
                stand_in,
                sk,
                pause: FIRST,
                passed: 0,
            },
            GFP_KERNEL,
        );
        let Ok(mut later) = later else {
            KEPT.fetch_sub(1, Ordering::Relaxed);
            return Err(ENOMEM);
        };
        // SAFETY: `work` stays where it is: in a box that is taken apart by its own function alone. The
        // connection is live, and this module runs.
        unsafe {
            bindings::smcify_later(&raw mut later.work, Some(Self::run));
            bindings::smcify_sk_hold(sk);
            bindings::__module_get(this_module().as_ptr().cast());
        }
        Ok(later)
    }

    /// Has it looked at in a moment.
    fn queue(self: KBox<Self>) {
        let pause = self.pause;
        // SAFETY: A socket of this protocol is live, in `socket` or as the stand-in for one.
        let queue = unsafe { &*(*self.socket).ops.cast::<Ops>() }.queue();
        let later = KBox::into_raw(self);
        // SAFETY: `work` is initialised, not queued, and belongs to a box that nobody else has; its
        // function takes that back.
        unsafe { bindings::smcify_queue_later(queue, &raw mut (*later).work, pause) };
    }

    /// Gives back what is counted.
    fn forget(self: KBox<Self>) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: Both have been counted in `new()`. The last instructions are waited for by the
        // end of the queue, before the module's memory goes.
        unsafe {
            bindings::smcify_sk_put(self.sk);
            bindings::module_put(this_module().as_ptr().cast());
        }
    }

    /// Looks whether all is sent.
    ///
    /// Context: a worker's, may sleep.
    ///
    /// # Safety
    ///
    /// `work` must be that of a `Later` which has been queued.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirement, `work` being the first field of the first field.
        let mut later = unsafe { KBox::<Self>::from_raw(work.cast()) };
        // SAFETY: `socket` is of this protocol, and the connection is counted.
        let stream = unsafe { Stream::from_raw(later.socket) };
        if stream.is_unsent() {
            if matches!(later.what, What::Shut) || later.passed < LONGEST {
                stream.send_now();
                later.passed = later.passed.saturating_add(later.pause);
                later.pause = (later.pause * 2).min(LAST);
                return later.queue();
            }
            stream.abort();
        }
        match later.what {
            // SAFETY: It is ours since `close()`; its `release` waits no more.
            What::Close => unsafe { bindings::sock_release(later.socket) },
            What::Shut => {
                stream.smc_shutdown(SHUT_WR);
            }
        }
        later.forget();
    }
}
