// SPDX-License-Identifier: GPL-2.0
/*
 * What the bindings of src/net/ need and C keeps to itself: static inline
 * functions and macros of the kernel's headers, one each. Some run inside
 * callbacks of ftrace, so none is traced itself.
 */

#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/sock.h>

#include "helpers.h"

notrace struct dst_entry *smcify_sk_dst(const struct sock *sk)
{
	return __sk_dst_get(sk);
}

/* As dst_dev_rcu(), which kernels before 6.18 lack: one load, checked by lockdep. */
notrace struct net_device *smcify_dst_dev(const struct dst_entry *dst)
{
	return rcu_dereference(*(struct net_device __rcu **)&dst->dev);
}

notrace void smcify_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

notrace void smcify_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

notrace struct in_device *smcify_in_dev(const struct net_device *dev)
{
	return __in_dev_get_rcu(dev);
}

/* The address after @ifa, or the first one if it is NULL. */
notrace const struct in_ifaddr *smcify_ifa_next(const struct in_device *in_dev,
						const struct in_ifaddr *ifa)
{
	return rcu_dereference(*(ifa ? &ifa->ifa_next : &in_dev->ifa_list));
}

notrace struct inet6_dev *smcify_in6_dev(const struct net_device *dev)
{
	return IS_ENABLED(CONFIG_IPV6) ? __in6_dev_get(dev) : NULL;
}

/* The address after @ifa, or the first one if it is NULL. */
notrace struct inet6_ifaddr *smcify_ifa6_next(struct inet6_dev *idev,
					      struct inet6_ifaddr *ifa)
{
	if (!ifa)
		return list_first_or_null_rcu(&idev->addr_list, struct inet6_ifaddr, if_list);
	return list_next_or_null_rcu(&idev->addr_list, &ifa->if_list,
				     struct inet6_ifaddr, if_list);
}
