// SPDX-License-Identifier: GPL-2.0
//! The module itself: loading, what makes that fail, its KUnit suites, unloading.

pub mod kunit;
pub mod load_errors;
pub mod rmmod;
