// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only: locks of the kernel in the hands of a test, which so decides who does
 * what in which order.
 *
 * /sys/kernel/debug/smcify_locks/ has a file for each lock. open() has a thread of the
 * kernel ask for the lock and returns when the thread has it or sleeps in its queue,
 * read() says which ("held", "queued"), close() lets go. The queue of a mutex is first
 * come, first served: files opened one after the other have the lock in this order.
 *
 * The threads are there because a task must not go back to user space with a lock.
 */

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>

struct lock {
	const char *name;
	/* Where the lock is; without, it is RTNL. */
	struct mutex *(*mutex)(void);
};

enum state { STARTING, ASKING, HOLDING };

/* An open file's thread; the thread frees it, when the file is closed. */
struct holder {
	struct mutex *mutex;
	enum state state;
	struct completion closed;
	struct task_struct *task;
};

/* Finds data too, which a kprobe itself does not. */
static unsigned long symbol(const char *name)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long (*lookup)(const char *name);

	if (register_kprobe(&probe))
		return 0;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	return lookup(name);
}

/* smcd_dev_list of smc.ko: a list head, then the mutex. */
static struct mutex *smcd_mutex(void)
{
	unsigned long list = symbol("smc:smcd_dev_list");

	return list ? (struct mutex *)(list + sizeof(struct list_head)) : NULL;
}

static const struct lock locks[] = {
	{ "rtnl", NULL },
	{ "smcd", smcd_mutex },
};

static int hold(void *data)
{
	struct holder *holder = data;

	smp_store_release(&holder->state, ASKING);
	if (holder->mutex)
		mutex_lock(holder->mutex);
	else
		rtnl_lock();
	smp_store_release(&holder->state, HOLDING);
	wait_for_completion(&holder->closed);
	if (holder->mutex)
		mutex_unlock(holder->mutex);
	else
		rtnl_unlock();
	kfree(holder);
	module_put_and_kthread_exit(0);
}

/* A mutex puts a task into its queue before it puts it to sleep. */
static bool has_it_or_sleeps(struct holder *holder)
{
	switch (smp_load_acquire(&holder->state)) {
	case STARTING:
		return false;
	case ASKING:
		return READ_ONCE(holder->task->__state) & TASK_UNINTERRUPTIBLE;
	default:
		return true;
	}
}

static int open_lock(struct inode *inode, struct file *file)
{
	const struct lock *lock = inode->i_private;
	struct holder *holder;
	struct task_struct *task;

	holder = kzalloc(sizeof(*holder), GFP_KERNEL);
	if (!holder)
		return -ENOMEM;
	init_completion(&holder->closed);
	if (lock->mutex) {
		holder->mutex = lock->mutex();
		if (!holder->mutex) {
			kfree(holder);
			return -ENOENT;
		}
	}
	/* The thread's own: it may outlive the file. */
	__module_get(THIS_MODULE);
	task = kthread_create(hold, holder, "hold-%s", lock->name);
	if (IS_ERR(task)) {
		module_put(THIS_MODULE);
		kfree(holder);
		return PTR_ERR(task);
	}
	holder->task = task;
	file->private_data = holder;
	wake_up_process(task);
	while (!has_it_or_sleeps(holder))
		schedule_timeout_uninterruptible(1);
	return 0;
}

static ssize_t read_lock_state(struct file *file, char __user *to, size_t len, loff_t *at)
{
	struct holder *holder = file->private_data;
	bool held = smp_load_acquire(&holder->state) == HOLDING;
	const char *text = held ? "held\n" : "queued\n";

	return simple_read_from_buffer(to, len, at, text, strlen(text));
}

static int close_lock(struct inode *inode, struct file *file)
{
	struct holder *holder = file->private_data;

	complete(&holder->closed);
	return 0;
}

static const struct file_operations lock_fops = {
	.owner = THIS_MODULE,
	.open = open_lock,
	.read = read_lock_state,
	.release = close_lock,
};

static struct dentry *dir;

static int __init smcify_locks_init(void)
{
	dir = debugfs_create_dir("smcify_locks", NULL);
	if (IS_ERR(dir))
		return PTR_ERR(dir);
	for (int i = 0; i < ARRAY_SIZE(locks); i++)
		debugfs_create_file(locks[i].name, 0400, dir, (void *)&locks[i], &lock_fops);
	return 0;
}
module_init(smcify_locks_init);

static void __exit smcify_locks_exit(void)
{
	debugfs_remove(dir);
}
module_exit(smcify_locks_exit);

MODULE_DESCRIPTION("Locks of the kernel for smcify's tests to hold");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
