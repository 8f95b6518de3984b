// SPDX-License-Identifier: GPL-2.0

//! Binding: what readers find under RCU while a writer exchanges it.
//!
//! The kernel crate has the read lock, [`kernel::sync::rcu`], but not yet the pointer.
//!
//! C header: `include/linux/rcupdate.h`.

use core::mem;
use core::ops::Deref;
use core::ptr::{
    self,
    NonNull, //
};
use core::sync::atomic::{
    AtomicBool,
    AtomicPtr,
    Ordering, //
};

use kernel::alloc::AllocError;
use kernel::bindings;
use kernel::container_of;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::Opaque;

pub use kernel::sync::rcu::{
    read_lock,
    Guard, //
};

/// Evidence that RCU is held, where somebody else has seen to that.
///
/// # Safety
///
/// For `'a` the RCU read lock must be held, or preemption be off.
#[inline]
pub unsafe fn held<'a>() -> &'a Guard {
    const { assert!(size_of::<Guard>() == 0) };
    // SAFETY: A guard has no memory, and what it stands for is so by the safety requirement.
    unsafe { NonNull::dangling().as_ref() }
}

/// A value and the place for its last callback. The value is where the node is: readers come
/// from one to the other for nothing.
///
/// # Invariants
///
/// `head` is given to `call_rcu()` once at most: by whom sets `retired`.
#[repr(C)]
struct Node<T> {
    value: T,
    head: Opaque<bindings::callback_head>,
    retired: AtomicBool,
}

// SAFETY: `head` belongs to RCU alone, once it is given to it.
unsafe impl<T: Send> Send for Node<T> {}

// SAFETY: As above.
unsafe impl<T: Sync> Sync for Node<T> {}

/// A counted value that can be published, in one place or in several.
pub struct Shared<T: Send + Sync + 'static>(Arc<Node<T>>);

impl<T: Send + Sync + 'static> Shared<T> {
    /// # Errors
    ///
    /// [`AllocError`].
    ///
    /// Context: process context, may sleep.
    pub fn new(value: T) -> Result<Self, AllocError> {
        let retired = AtomicBool::new(false);
        let head = Opaque::uninit();
        let node = Node {
            value,
            head,
            retired,
        };
        Ok(Self(Arc::new(node, GFP_KERNEL)?))
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// Drops it. If nobody else has the value any more, `last` may take out of it what it wants
    /// to drop by itself.
    ///
    /// Context: as the `Drop` of `T`.
    pub fn drop_with(self, last: impl FnOnce(&mut T)) {
        if let Some(mut node) = Arc::into_unique_or_drop(self.0) {
            // SAFETY: The value is nowhere pinned, and `head`, which may not move, stays where
            // it is.
            last(unsafe { &mut node.as_mut().get_unchecked_mut().value });
        }
    }
}

impl<T: Send + Sync + 'static> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// A place where readers find a value, or none. It may be exchanged at any time; what was
/// there before is dropped when the last reader has gone, in softirq context: its `Drop`
/// must not sleep.
///
/// # Invariants
///
/// The pointer is null, or it owns a reference to a node.
pub struct Published<T: Send + Sync + 'static>(AtomicPtr<Node<T>>);

impl<T: Send + Sync + 'static> Published<T> {
    /// A place with nothing in it, or with `value`.
    pub fn new(value: Option<Shared<T>>) -> Self {
        // INVARIANT: `into_raw()` passes the reference on.
        Self(AtomicPtr::new(into_raw(value)))
    }

    /// What is there now.
    ///
    /// Context: any.
    pub fn get<'g>(&'g self, _guard: &'g Guard) -> Option<&'g T> {
        let node = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariant the node is live, or it was when the pointer was
        // loaded; then its reference is dropped only after a grace period, that is after the
        // guard, or together with `self`, which is borrowed.
        unsafe { node.as_ref() }.map(|node| &node.value)
    }

    /// What is there now, to keep without a guard.
    ///
    /// Context: any.
    pub fn share(&self) -> Option<Shared<T>> {
        let _guard = read_lock();
        let node = self.0.load(Ordering::Acquire);
        if node.is_null() {
            return None;
        }
        // SAFETY: As for `get()`, the node is live under the guard. The reference that this
        // stands for stays with `self`.
        let borrowed = unsafe { kernel::sync::ArcBorrow::from_raw(node) };
        Some(Shared(borrowed.into()))
    }

    /// Puts `value` there; readers find it from now on.
    ///
    /// Context: process context. May sleep for a grace period, if what was there has been
    /// replaced somewhere else before.
    pub fn set(&self, value: Option<Shared<T>>) {
        let old = self.0.swap(into_raw(value), Ordering::AcqRel);
        // SAFETY: By the type invariant `old` is null or live, and its reference is here now.
        let Some(node) = (unsafe { old.as_ref() }) else {
            return;
        };
        if node.retired.swap(true, Ordering::Relaxed) {
            // SAFETY: Process context, by this function's own.
            unsafe { bindings::synchronize_rcu() };
            // SAFETY: The reference that the pointer owned, and that no reader uses any more.
            drop(unsafe { Arc::from_raw(old) });
        } else {
            // SAFETY: Nobody else has given `head` to RCU. It stays, with the reference that
            // the callback drops.
            unsafe { bindings::call_rcu(node.head.get(), Some(Self::dropped)) };
        }
    }

    /// Takes out what is there: nobody else has the place, so there are no readers.
    ///
    /// Context: any.
    pub fn take(&mut self) -> Option<Shared<T>> {
        let node = mem::replace(self.0.get_mut(), ptr::null_mut());
        // SAFETY: By the type invariant, if it is not null, its reference is here now.
        (!node.is_null()).then(|| Shared(unsafe { Arc::from_raw(node) }))
    }

    /// Drops the reference that a place had.
    ///
    /// # Safety
    ///
    /// Called by RCU alone, with the `head` of a `Node<T>` whose reference it passes on.
    unsafe extern "C" fn dropped(head: *mut bindings::callback_head) {
        let head = head.cast::<Opaque<bindings::callback_head>>();
        // SAFETY: By the safety requirement.
        drop(unsafe { Arc::from_raw(container_of!(head, Node<T>, head)) });
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

fn into_raw<T: Send + Sync + 'static>(value: Option<Shared<T>>) -> *mut Node<T> {
    value.map_or(ptr::null_mut(), |it| Arc::into_raw(it.0).cast_mut())
}

/// Waits, when it is dropped, until all that has been replaced is gone: for the end of a
/// module, whose code the callbacks are.
pub struct Callbacks;

impl Drop for Callbacks {
    fn drop(&mut self) {
        // SAFETY: Modules end in process context.
        unsafe { bindings::rcu_barrier() };
    }
}
