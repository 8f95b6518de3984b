// SPDX-License-Identifier: GPL-2.0

//! Binding: what rules ask of the task that creates a socket.
//!
//! C headers: `include/linux/sched.h`, `include/linux/cgroup-defs.h`,
//! `include/net/net_namespace.h`.

use core::marker::PhantomData;

use kernel::bindings::{
    capable,
    cgroup,
    task_struct,
    CAP_NET_ADMIN,
    PF_IO_WORKER, //
};
use kernel::prelude::*;

use crate::bindings;
use crate::compat::label::Label;
use crate::compat::netns;
use crate::compat::rcu;

/// Whether the current task may administer networks, in the initial user namespace: `root` of
/// a container of its own user namespace may not, even if it is the host's user 0.
///
/// # Errors
///
/// `EPERM`.
///
/// Context: process context.
pub fn may_administer() -> Result {
    // SAFETY: An FFI call without requirements.
    match unsafe { capable(CAP_NET_ADMIN as c_int) } {
        true => Ok(()),
        false => Err(EPERM),
    }
}

/// The task that runs.
///
/// # Invariants
///
/// The pointer is that of the current task, and the guard holds what the task points to.
#[derive(Clone, Copy)]
pub struct Current<'g> {
    task: *const task_struct,
    _guard: PhantomData<&'g rcu::Guard>,
}

impl Current<'_> {
    /// Calls `ask` with the current task, and with preemption off: it must be short.
    ///
    /// Context: process context, with preemption possibly off; does not sleep.
    #[inline]
    pub fn with<T>(ask: impl FnOnce(Current<'_>, &rcu::Guard) -> T) -> T {
        // SAFETY: An FFI call without requirements.
        let task = unsafe { bindings::smcify_current_enter() };
        // SAFETY: It has just been locked, and `ask` cannot keep this until it is unlocked: RCU
        // waits for code with preemption off as for that which holds the lock.
        let guard = unsafe { rcu::held() };
        // INVARIANT: `ask` returns before this task does anything else.
        let answer = ask(
            Current {
                task: task.cast(),
                _guard: PhantomData,
            },
            guard,
        );
        // SAFETY: It was entered above.
        unsafe { bindings::smcify_current_leave() };
        answer
    }

    /// The ids of its cgroups in the v2 hierarchy, its own first, without the root.
    #[inline]
    pub fn cgroups(&self) -> impl Iterator<Item = u64> {
        // SAFETY: By the type invariant; whoever moves the task to other cgroups exchanges the
        // pointer, which is never null, and releases the old ones after a grace period.
        let own = unsafe { (*(&raw const (*self.task).cgroups).read_volatile()).dfl_cgrp };
        // SAFETY: A `css_set` holds its cgroups.
        let left = unsafe { (*own).level } as usize;
        Cgroups {
            // SAFETY: The offset is that of a member.
            ancestors: unsafe { own.byte_add(bindings::smcify_offset_CGROUP_ANCESTORS as usize) }
                .cast(),
            left,
            _task: PhantomData,
        }
    }

    /// Its name; for a worker of io_uring, that of the program that it works for.
    #[inline]
    pub fn comm(&self) -> Label {
        // SAFETY: By the type invariant. The group leader stays as long as the task. Whoever
        // changes a name meanwhile leaves a mixture of both, and a NUL at the end.
        let comm = unsafe {
            let task = match (*self.task).flags & PF_IO_WORKER {
                0 => self.task,
                _ => (&raw const (*self.task).group_leader).read_volatile(),
            };
            (*task).comm
        };
        Label::from_field(comm)
    }

    /// Its effective user, `current_euid()`, as the initial user namespace counts.
    #[inline]
    pub fn euid(&self) -> u32 {
        // SAFETY: By the type invariant; nobody but the task itself changes its credentials.
        unsafe { (*(*self.task).cred).euid.val }
    }

    /// The cookie of its network namespace; 0, which none has, if it has begun to exit.
    #[inline]
    pub fn netns(&self) -> u64 {
        // SAFETY: By the type invariant. Nobody but the task itself changes it.
        let nsproxy = unsafe { (*self.task).nsproxy.as_ref() };
        // SAFETY: It holds its namespaces.
        nsproxy.map_or(0, |it| unsafe { netns::cookie(it.net_ns.cast()) })
    }
}

/// The ids of a cgroup and of those above it but the root.
///
/// # Invariants
///
/// `ancestors` points to more than `left` cgroups, the root first, which are held while the task
/// is borrowed.
struct Cgroups<'t, 'g> {
    ancestors: *const *const cgroup,
    left: usize,
    _task: PhantomData<&'t Current<'g>>,
}

impl Iterator for Cgroups<'_, '_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let level = self.left;
        // INVARIANT: One less.
        self.left = level.checked_sub(1)?;
        // SAFETY: By the type invariant. A cgroup holds its node and its ancestors.
        Some(unsafe { (*(**self.ancestors.add(level)).kn).id })
    }
}
