/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel crate's bindings lack or leave opaque; read by bindgen. */

#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/kprobes.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <net/if_inet6.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "helpers.h"

/* Exported by smc.ko; its header, net/smc/smc.h, is not installed. */
extern struct proto smc_proto;
