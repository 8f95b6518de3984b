// SPDX-License-Identifier: GPL-2.0

//! Binding: the argument registers of a traced call.
//!
//! C header: `include/linux/ftrace_regs.h`.

use core::marker::PhantomData;

use kernel::prelude::*;

use crate::bindings;

/// Functions whose argument `N`, counted from 0, is an integer.
///
/// # Safety
///
/// It must be no pointer in any function that is [`Rewritten`](super::Rewritten) with `Self`.
pub unsafe trait Integer<const N: usize> {}

/// The arguments of a traced call, as its function is about to see them.
///
/// ftrace saves the argument registers on entry and restores them from the same
/// place when its callbacks are done, so what is set here is what the function gets,
/// and what later callbacks see.
///
/// `A` says which of them are [integers](Integer).
///
/// # Invariants
///
/// The registers are those of a call under way on this CPU, saved by ftrace, of a function that
/// is sound to call with any value of the arguments that are integers.
pub struct Arguments<'a, A>(&'a mut bindings::__arch_ftrace_regs, PhantomData<A>);

impl<'a, A> Arguments<'a, A> {
    /// # Safety
    ///
    /// `regs` must be what ftrace passed to a callback, which must outlive `'a`. The function must
    /// be sound to call with any value of the arguments that `A` says are integers.
    pub(super) unsafe fn from_raw(regs: *mut bindings::ftrace_regs) -> Self {
        // INVARIANT: By the safety requirement.
        // SAFETY: `struct ftrace_regs` is but a name for `struct __arch_ftrace_regs`
        // (`arch_ftrace_regs()`), and no one else uses the saved registers meanwhile.
        Self(unsafe { &mut *regs.cast() }, PhantomData)
    }

    /// Argument `N`, counted from 0, of a function that takes it as a C `int`.
    pub fn int<const N: usize>(&mut self) -> c_int {
        // The upper half of the register is not part of an `int` argument.
        *self.register::<N>() as c_int
    }

    /// Sets argument `N` of a function that takes it as a C `int`.
    pub fn set_int<const N: usize>(&mut self, value: c_int)
    where
        A: Integer<N>,
    {
        *self.register::<N>() = value as c_ulong;
    }

    /// Argument `N` of a function that takes it as a pointer.
    pub(super) fn pointer<const N: usize>(&mut self) -> *mut c_void {
        *self.register::<N>() as *mut c_void
    }

    /// Lets the call go on at `address`, `ftrace_regs_set_instruction_pointer()`: a function
    /// that is entered so returns to the caller of the traced one.
    ///
    /// # Safety
    ///
    /// The callback must be registered with `FTRACE_OPS_FL_IPMODIFY`, and at `address` there must
    /// be a function of the traced one's signature that is sound to call in its place.
    pub(super) unsafe fn set_instruction_pointer(&mut self, address: c_ulong) {
        #[cfg(CONFIG_X86_64)]
        let register = &mut self.0.regs.ip;
        #[cfg(CONFIG_ARM64)]
        let register = &mut self.0.pc;
        #[cfg(CONFIG_S390)]
        // SAFETY: Whatever the registers hold is a value of each view of them.
        let register = unsafe { &mut self.0.regs.__bindgen_anon_1.user_regs.psw.addr };
        *register = address;
    }

    /// The register of integer argument `N` by the architecture's calling convention.
    #[inline(always)]
    fn register<const N: usize>(&mut self) -> &mut c_ulong {
        const { assert!(N < 4, "every architecture has as many in registers") };
        #[cfg(CONFIG_X86_64)]
        let register = match N {
            0 => &mut self.0.regs.di,
            1 => &mut self.0.regs.si,
            2 => &mut self.0.regs.dx,
            _ => &mut self.0.regs.cx,
        };
        #[cfg(CONFIG_ARM64)]
        let register = &mut self.0.regs[N];
        #[cfg(CONFIG_S390)]
        // SAFETY: Whatever the registers hold is a value of each view of them.
        let register = unsafe { &mut self.0.regs.__bindgen_anon_1.user_regs.gprs[2 + N] };
        register
    }
}
