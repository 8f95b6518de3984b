// SPDX-License-Identifier: GPL-2.0
//! What a guest asks of its kernel, and does to it.

pub mod bpf;
pub mod cgroup;
pub mod facts;
pub mod kmemleak;
pub mod kmsg;
pub mod ktap;
pub mod livepatch;
pub mod module;
pub mod net;
pub mod netns;
pub mod smc;
pub mod task;
pub mod ulp;
pub mod until;
