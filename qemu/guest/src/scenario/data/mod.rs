// SPDX-License-Identifier: GPL-2.0
//! What goes through the sockets within one guest, over SMC-D or after a fallback.

pub mod fallback;
pub mod transfer;
