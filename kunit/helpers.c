// SPDX-License-Identifier: GPL-2.0
/* smcify's helpers once more, for smcify_kunit.ko. */

#include "../src/bindings/helpers.c"
