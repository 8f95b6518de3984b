/* SPDX-License-Identifier: GPL-2.0 */
/* Test-only: between a look at a device and its use, the device goes away. */

#ifndef SMCIFY_WINDOW_H
#define SMCIFY_WINDOW_H

#include <linux/types.h>

struct smcify_window;

struct smcify_window *smcify_window_open(const char *device);
bool smcify_window_pass(struct smcify_window *window, unsigned int patience);
void smcify_window_close(struct smcify_window *window);

#endif
