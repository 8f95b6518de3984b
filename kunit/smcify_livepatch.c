// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: a livepatch of update_socket_protocol(), as a neighbour of smcify's
 * hook on the same function. It does what the original does, and counts those calls that
 * are for IPv4: in a guest with daemons these are only the test's.
 */

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/socket.h>

static unsigned int calls;
module_param(calls, uint, 0444);
MODULE_PARM_DESC(calls, "calls for AF_INET since insmod");

static int counted_update_socket_protocol(int family, int type, int protocol)
{
	if (family == AF_INET)
		WRITE_ONCE(calls, calls + 1);
	return protocol;
}

static struct klp_func functions[] = {
	{
		.old_name = "update_socket_protocol",
		.new_func = counted_update_socket_protocol,
	}, { }
};

static struct klp_object objects[] = {
	{ .funcs = functions }, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init smcify_livepatch_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(smcify_livepatch_init);

/* livepatch itself sees to it that the patch is disabled before rmmod. */
static void __exit smcify_livepatch_exit(void)
{
}
module_exit(smcify_livepatch_exit);

MODULE_DESCRIPTION("Livepatch of update_socket_protocol(), for smcify's tests");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
