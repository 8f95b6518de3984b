// SPDX-License-Identifier: GPL-2.0
//! Who is given which socket, when it is created.

pub mod neighbours;
pub mod switch;
pub mod vfs;
