// SPDX-License-Identifier: GPL-2.0
/*
 * What the bindings need and C keeps to itself: static inline
 * functions and macros of the kernel's headers, one each. Those that run inside
 * callbacks of ftrace are not traced themselves.
 */

#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/ratelimit.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/security.h>
#include <linux/static_call.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/sock.h>

#include "helpers.h"

/*
 * With preemption off, which RCU waits for as well: in a kernel with preemption that is two
 * instructions, and rcu_read_lock() two calls. What is in between must be short.
 */
notrace const struct task_struct *smcify_current_enter(void)
{
	rcu_read_lock_sched();
	return current;
}

notrace void smcify_current_leave(void)
{
	rcu_read_unlock_sched();
}

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

bool smcify_may_warn(void)
{
	static DEFINE_RATELIMIT_STATE(lately, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&lately);
}

/* A route to who has sent an IPv4 request, counted, or NULL. */
notrace struct dst_entry *smcify_route4(const struct sock *sk,
					const struct inet_request_sock *ireq)
{
	struct net *net = read_pnet(&ireq->ireq_net);
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, ireq->ir_iif, ireq->ir_mark, ip_sock_rt_tos(sk),
			   ip_sock_rt_scope(sk), sk->sk_protocol, inet_sk_flowi_flags(sk),
			   ireq->ir_rmt_addr, ireq->ir_loc_addr, ireq->ir_rmt_port,
			   htons(ireq->ir_num), sock_net_uid(net, sk));
	security_req_classify_flow(&ireq->req, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, sk);
	return IS_ERR(rt) ? NULL : &rt->dst;
}

/* The same of an IPv6 one. */
notrace struct dst_entry *smcify_route6(const struct sock *sk,
					const struct inet_request_sock *ireq)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct net *net = read_pnet(&ireq->ireq_net);
	struct flowi6 fl6 = {
		.flowi6_oif = ireq->ir_iif,
		.flowi6_mark = ireq->ir_mark,
		.flowi6_proto = sk->sk_protocol,
		.flowi6_uid = sock_net_uid(net, sk),
		.daddr = ireq->ir_v6_rmt_addr,
		.saddr = ireq->ir_v6_loc_addr,
		.fl6_dport = ireq->ir_rmt_port,
		.fl6_sport = htons(ireq->ir_num),
	};
	struct dst_entry *dst;

	security_req_classify_flow(&ireq->req, flowi6_to_flowi_common(&fl6));
	dst = ip6_dst_lookup_flow(net, sk, &fl6, NULL);
	return IS_ERR(dst) ? NULL : dst;
#else
	return NULL;
#endif
}

/* The network namespace after @net, or the first one if it is NULL. */
struct net *smcify_net_next(struct net *net)
{
	if (!net)
		return list_first_or_null_rcu(&net_namespace_list, struct net, list);
	return list_next_or_null_rcu(&net_namespace_list, &net->list, struct net, list);
}

static int smcify_no_prfx_match(struct socket *clcsock, const void *prop)
{
	return -ENOENT;
}

DEFINE_STATIC_CALL(smcify_prfx_match, smcify_no_prfx_match);

/*
 * Calls the function at @address by a call instruction that is written for it. A pointer would
 * not do: the kernel takes the landing pad for indirect calls (ENDBR) from functions that nobody
 * calls so, and kCFI would compare types that only smc.ko knows.
 */
int smcify_call_prfx_match(unsigned long address, struct socket *clcsock, const void *prop)
{
	static_call_update(smcify_prfx_match, (typeof(&smcify_no_prfx_match))address);
	return static_call(smcify_prfx_match)(clcsock, prop);
}
