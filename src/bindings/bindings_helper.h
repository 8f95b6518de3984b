/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel crate's bindings lack or leave opaque; read by bindgen. */

#include <linux/cgroup-defs.h>
#include <linux/delay.h>
#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/if_inet6.h>
#include <net/inet_sock.h>
#include <net/inet_connection_sock.h>
#include <net/net_namespace.h>
#include <net/protocol.h>
#include <net/smc.h>
#include <net/sock.h>

#include "helpers.h"
#include "stream.h"

/* Exported by smc.ko; its header, net/smc/smc.h, is not installed. */
extern struct proto smc_proto;

/* Where in a struct it is: bindgen would bring in all that the struct consists of. */
enum smcify_offset {
	CGROUP_ANCESTORS = offsetof(struct cgroup, ancestors),
	DEVICE_NAME = offsetof(struct net_device, name),
	NET_COOKIE = offsetof(struct net, net_cookie),
#if IS_ENABLED(CONFIG_SMC_HS_CTRL_BPF)
	NET_HS_CTRL = offsetof(struct net, smc.hs_ctrl),
#endif
};
