// SPDX-License-Identifier: GPL-2.0
//! The bugs of the vulnerable kernel, without and with the live fixes.

pub mod class;
pub mod clc;
pub mod egress;
mod hole;
pub mod inside;
mod locks;
pub mod modes;
mod parcel;
mod rcu;
pub mod ulp;
pub mod ulp_race;
