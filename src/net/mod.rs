// SPDX-License-Identifier: GPL-2.0

//! Bindings of the socket layer.

mod smc;
mod socket;

pub use socket::Socket;
