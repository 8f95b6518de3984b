// SPDX-License-Identifier: GPL-2.0
//! Reports as kernels print them, and what is made of them.
