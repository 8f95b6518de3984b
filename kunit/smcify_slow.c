// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: while it is loaded, SMC-R is slow to begin a flow of LLC messages. What a peer
 * that is fast sends meanwhile comes before there is anybody to wait for it.
 *
 * The worker that looks at what has come may be bound to the processor that waits here, with
 * preemption off. With CONFIG_PREEMPT it then runs when the wait is over, before the function.
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

/* Longer than an answer takes between two guests; in ms. */
#define TIME 200

static int wait(struct kprobe *probe, struct pt_regs *regs)
{
	mdelay(TIME);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "smc_llc_flow_initiate",
	.pre_handler = wait,
};

static int __init start(void)
{
	return register_kprobe(&probe);
}

static void __exit stop(void)
{
	unregister_kprobe(&probe);
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("smcify's tests: SMC-R slow to begin a flow");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
