// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: somebody else's struct smc_hs_ctrl, as a neighbour of smcify's. It leaves the SMC
 * option out of every SYN, and counts them. The kernel knows controls by name from BPF only;
 * so this one is put in a network namespace by who writes to the parameter "take" from there,
 * as a write of a name to the sysctl net.smc.hs_ctrl does it.
 */

#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <net/net_namespace.h>
#include <net/smc.h>

static unsigned int calls;
module_param(calls, uint, 0444);
MODULE_PARM_DESC(calls, "SYNs since insmod");

static int count(struct tcp_sock *tp)
{
	WRITE_ONCE(calls, calls + 1);
	return 0;
}

static struct smc_hs_ctrl other = {
	.owner = THIS_MODULE,
	.name = "other",
	.syn_option = count,
};

/* Inherited by the network namespaces to come, if the initial one has it. */
static int inheritable(const char *value, const struct kernel_param *param)
{
	other.flags = SMC_HS_CTRL_FLAG_INHERITABLE;
	return 0;
}

static int take(const char *value, const struct kernel_param *param)
{
	struct net *net = current->nsproxy->net_ns;
	struct smc_hs_ctrl *old;

	if (!try_module_get(THIS_MODULE))
		return -EBUSY;
	rcu_read_lock();
	old = unrcu_pointer(xchg(&net->smc.hs_ctrl, RCU_INITIALIZER(&other)));
	if (old)
		module_put(old->owner);
	rcu_read_unlock();
	return 0;
}

static const struct kernel_param_ops inheritable_ops = {
	.set = inheritable,
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
};
module_param_cb(inheritable, &inheritable_ops, NULL, 0200);
MODULE_PARM_DESC(inheritable, "have the namespaces to come inherit it");

static const struct kernel_param_ops take_ops = {
	.set = take,
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
};
module_param_cb(take, &take_ops, NULL, 0200);
MODULE_PARM_DESC(take, "put it in the writer's network namespace");

static int __init smcify_other_init(void)
{
	return 0;
}
module_init(smcify_other_init);

static void __exit smcify_other_exit(void)
{
	/* No namespace has it any more, but some may be looking at it. */
	synchronize_rcu();
}
module_exit(smcify_other_exit);

MODULE_DESCRIPTION("Another hs_ctrl, for smcify's tests");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
