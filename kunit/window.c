// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: the end of a network device at a moment that a reader chooses, the same for
 * the reader that keeps the device in the right way and for the one that does not.
 */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>

#include "window.h"

struct smcify_window {
	char device[IFNAMSIZ];
	struct task_struct *deleter;
	struct completion freed;
};

/* What `ip link del` does, in a task of its own: it waits for the last reference. */
static int delete(void *data)
{
	struct smcify_window *window = data;
	struct net_device *dev;
	LIST_HEAD(list);

	rtnl_lock();
	dev = __dev_get_by_name(&init_net, window->device);
	if (dev && dev->rtnl_link_ops)
		dev->rtnl_link_ops->dellink(dev, &list);
	unregister_netdevice_many(&list);
	/* This waits, and frees the device. */
	rtnl_unlock();
	complete_all(&window->freed);
	return 0;
}

/* A window for a reader of @device, or NULL if there is no memory. */
struct smcify_window *smcify_window_open(const char *device)
{
	struct smcify_window *window = kzalloc(sizeof(*window), GFP_KERNEL);

	if (!window)
		return NULL;
	strscpy(window->device, device);
	init_completion(&window->freed);
	return window;
}

/*
 * Has the device deleted, if that has not begun, and waits for at most @patience ms until it
 * is freed. Says whether it is. May sleep.
 */
bool smcify_window_pass(struct smcify_window *window, unsigned int patience)
{
	if (!window->deleter) {
		struct task_struct *task = kthread_create(delete, window, "delete-%s", window->device);

		if (IS_ERR(task))
			return false;
		window->deleter = get_task_struct(task);
		wake_up_process(task);
	}
	return wait_for_completion_timeout(&window->freed, msecs_to_jiffies(patience));
}

/* Waits until the device is freed, if its deletion has begun. */
void smcify_window_close(struct smcify_window *window)
{
	if (window->deleter)
		kthread_stop_put(window->deleter);
	kfree(window);
}
