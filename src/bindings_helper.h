/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel crate's bindings lack or leave opaque; read by bindgen. */

#include <linux/ftrace.h>
#include <linux/in.h>
#include <linux/kprobes.h>
#include <linux/net.h>
#include <net/net_namespace.h>
#include <net/sock.h>

/* Exported by smc.ko; its header, net/smc/smc.h, is not installed. */
extern struct proto smc_proto;
