// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only, and wrong on purpose: KASAN reports it, and KUnit says "not ok" for that.
 *
 * The class of bugs that smc_clc_prfx_match() of Linux 6.16 belongs to. Its source reads
 * dst->dev and checks it, takes the RCU read lock and reads dst->dev again. A compiler may
 * keep the first read, and so may the next author: then what is used under the lock was
 * read before it, and nothing has kept it alive in between. This reader does, and sleeps
 * where the original may be preempted.
 */

#include <kunit/test.h>
#include <linux/in.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <net/dst.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "window.h"

/* Which the test's user has made, with the address 10.97.0.1/24. */
#define DEVICE "smcify0"
#define BY_DEVICE 0x0a610002
/* In ms: longer than a deletion takes that nobody delays. */
#define PATIENCE 10000

/* KASAN's report names it. */
static noinline int ifindex_of_kept(const struct dst_entry *dst, struct smcify_window *window)
{
	const struct net_device *dev = READ_ONCE(dst->dev);
	int ifindex;

	if (!dev)
		return -ENODEV;
	if (!smcify_window_pass(window, PATIENCE))
		return -ETIMEDOUT;
	rcu_read_lock();
	ifindex = READ_ONCE(dev->ifindex);
	rcu_read_unlock();
	return ifindex;
}

/* A datagram socket that is connected has a route, and sends nothing. */
static struct socket *routed(struct kunit *test)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(BY_DEVICE),
		.sin_port = htons(9),
	};
	struct socket *socket;

	KUNIT_ASSERT_EQ(test, 0, sock_create_kern(&init_net, AF_INET, SOCK_DGRAM, 0, &socket));
	KUNIT_ASSERT_EQ(test, 0, kernel_connect(socket, (void *)&to, sizeof(to), 0));
	return socket;
}

static void first_read_is_kept(struct kunit *test)
{
	struct socket *socket = routed(test);
	struct dst_entry *dst = sk_dst_get(socket->sk);
	struct smcify_window *window = smcify_window_open(DEVICE);

	KUNIT_ASSERT_NOT_NULL(test, dst);
	KUNIT_ASSERT_NOT_NULL(test, window);
	KUNIT_EXPECT_STREQ(test, READ_ONCE(dst->dev)->name, DEVICE);
	KUNIT_EXPECT_GT(test, ifindex_of_kept(dst, window), 0);
	smcify_window_close(window);
	dst_release(dst);
	sock_release(socket);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(first_read_is_kept),
	{ }
};

static struct kunit_suite suite = {
	.name = "smcify_kept",
	.test_cases = cases,
};
kunit_test_suite(suite);

MODULE_DESCRIPTION("A reader of freed network devices, for smcify's tests");
MODULE_AUTHOR("The smcify developers");
MODULE_LICENSE("GPL");
