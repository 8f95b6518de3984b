// SPDX-License-Identifier: GPL-2.0
//! Programs: starting them, what passes between them, what becomes of their sockets.

pub mod descriptor;
pub mod iperf;
pub mod pair;
pub mod peer;
