// SPDX-License-Identifier: GPL-2.0

//! The sockets: SMC's, with TCP's promises. A protocol of their own, whose operations call SMC's and
//! mend the answer.
//!
//! Made into a module of its own, `smcify_stream.ko`: a socket counts the module whose operations it
//! has, and `smcify.ko` must be able to go at any moment. Each operation runs in process context,
//! without the socket's lock, and may sleep; a [`later::Later`] runs in a worker. A file has one
//! promise of TCP's: sending, receiving, closing, connecting, options, polling. They call
//! `socket.rs` and `binding.rs`, which bind C; what is known of SMC's own structs is in `layout.rs`.

mod binding;
#[forbid(unsafe_code)]
mod closing;
#[forbid(unsafe_code)]
mod connecting;
#[forbid(unsafe_code)]
mod errno;
mod later;
mod layout;
#[forbid(unsafe_code)]
mod options;
#[forbid(unsafe_code)]
mod polling;
mod protocol;
#[forbid(unsafe_code)]
mod receiving;
#[forbid(unsafe_code)]
mod sending;
mod socket;

pub use protocol::Protocol;
