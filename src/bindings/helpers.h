/* SPDX-License-Identifier: GPL-2.0 */
/* What helpers.c offers; read by bindgen. */

#ifndef SMCIFY_HELPERS_H
#define SMCIFY_HELPERS_H

struct dst_entry;
struct in_device;
struct in_ifaddr;
struct inet6_dev;
struct inet6_ifaddr;
struct inet_request_sock;
struct net;
struct net_device;
struct sock;
struct socket;
struct task_struct;

bool smcify_may_warn(void);

const struct task_struct *smcify_current_enter(void);
void smcify_current_leave(void);

/* Under rcu_read_lock(). */
struct dst_entry *smcify_sk_dst(const struct sock *sk);
struct net_device *smcify_dst_dev(const struct dst_entry *dst);
void smcify_dev_hold(struct net_device *dev);
void smcify_dev_put(struct net_device *dev);
struct in_device *smcify_in_dev(const struct net_device *dev);
const struct in_ifaddr *smcify_ifa_next(const struct in_device *in_dev,
					const struct in_ifaddr *ifa);
struct inet6_dev *smcify_in6_dev(const struct net_device *dev);
struct inet6_ifaddr *smcify_ifa6_next(struct inet6_dev *idev, struct inet6_ifaddr *ifa);
struct dst_entry *smcify_route4(const struct sock *sk, const struct inet_request_sock *ireq);
struct dst_entry *smcify_route6(const struct sock *sk, const struct inet_request_sock *ireq);
struct net *smcify_net_next(struct net *net);

int smcify_call_prfx_match(unsigned long address, struct socket *clcsock, const void *prop);

#endif
