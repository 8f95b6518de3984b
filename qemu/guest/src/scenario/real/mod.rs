// SPDX-License-Identifier: GPL-2.0
//! Real programs, as Debian ships them.

mod cpython;
pub mod interop;
mod place;
pub mod programs;
mod trial;
