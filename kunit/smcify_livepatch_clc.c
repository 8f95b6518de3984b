// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: a livepatch of smc_clc_prfx_match(), whose place smcify's fix of it wants. No
 * subnet is the same. What it says of a socket without a route is what kernels say that
 * lack the upstream series: smcify asks.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/sock.h>

static int no_prfx_match(struct socket *clcsock, const void *prop)
{
	struct dst_entry *dst = sk_dst_get(clcsock->sk);

	if (!dst)
		return -ENOTCONN;
	dst_release(dst);
	return -ENOENT;
}

static struct klp_func functions[] = {
	{
		.old_name = "smc_clc_prfx_match",
		.new_func = no_prfx_match,
	}, { }
};

static struct klp_object objects[] = {
	{
		.name = "smc",
		.funcs = functions,
	}, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init smcify_livepatch_clc_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(smcify_livepatch_clc_init);

/* livepatch itself sees to it that the patch is disabled before rmmod. */
static void __exit smcify_livepatch_clc_exit(void)
{
}
module_exit(smcify_livepatch_clc_exit);

MODULE_DESCRIPTION("Livepatch of smc_clc_prfx_match(), for smcify's tests");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
