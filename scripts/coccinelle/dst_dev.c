// SPDX-License-Identifier: GPL-2.0
// What dst_dev.cocci has to find, and what it has to leave alone. Never compiled:
// `make check` runs the semantic patch over it. A line that ends in a comment of
// one word is to be reported, with a message that begins with that word.

// No section at all.
int plain(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);
	int mtu = dst->dev->mtu; /* uses */

	dst_release(dst);
	return mtu;
}

int without_variable(struct sock *sk)
{
	return dst_dev(__sk_dst_get(sk))->mtu; /* uses */
}

int of_route(struct sock *sk)
{
	struct rtable *rt = dst_rtable(__sk_dst_check(sk, 0));

	return rt->dst.dev->mtu; /* uses */
}

int of_received(struct sock *sk)
{
	struct dst_entry *dst = READ_ONCE(sk->sk_rx_dst);

	return dst_dev(dst)->mtu; /* uses */
}

int of_transport(struct sctp_transport *transport)
{
	return transport->dst->dev->mtu; /* uses */
}

int of_cork(struct inet_cork_full *full)
{
	struct rt6_info *rt = dst_rt6_info(full->base.dst);

	return dst_dev(&rt->dst)->mtu; /* uses */
}

// The section comes too late, or is over.
void late(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);
	struct net_device *dev = dst->dev; /* uses */

	rcu_read_lock();
	look_at(dev);
	rcu_read_unlock();
}

void between(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);

	rcu_read_lock();
	look_at(dst->dev);
	rcu_read_unlock();
	look_at(dst->dev); /* uses */
}

// The reading is in a function that is called without a section.
static int called_bare(struct sock *sk, const struct dst_entry *route)
{
	return dst_dev(route)->mtu; /* uses */
}

static int called_under_rcu(struct sock *sk, struct dst_entry *route)
{
	return dst_dev(route)->mtu;
}

int calls(struct sock *sk)
{
	struct dst_entry *dst = __sk_dst_get(sk);
	int mtu = called_bare(sk, dst);

	rcu_read_lock();
	mtu += called_under_rcu(sk, dst);
	rcu_read_unlock();
	return mtu;
}

// The device leaves the section.
int carries_out(struct sock *sk)
{
	struct net_device *dev;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst ? dst_dev_rcu(dst) : NULL;
	rcu_read_unlock();
	return dev ? dev->mtu : 0; /* keeps */
}

struct net_device *hands_out(struct sock *sk)
{
	struct net_device *dev;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst_dev_rcu(dst);
	rcu_read_unlock();
	return dev; /* returns */
}

// The test is outside, the second reading inside.
void tested(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);

	if (!dst || !dst->dev) /* tests */
		return;
	rcu_read_lock();
	look_at(dst->dev);
	rcu_read_unlock();
}

// All in order from here on.
int compared(struct sock *sk, struct net_device *other)
{
	struct dst_entry *dst = sk_dst_get(sk);
	int same = dst->dev == other;

	dst_release(dst);
	return same;
}

int covered(struct sock *sk)
{
	struct net_device *dev;
	struct dst_entry *dst;
	int mtu;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst ? dst_dev_rcu(dst) : NULL;
	mtu = dev ? dev->mtu : 0;
	rcu_read_unlock();
	return mtu;
}

void under_rtnl(struct sock *sk)
{
	struct dst_entry *dst = sk_dst_get(sk);

	rtnl_lock();
	look_at(dst->dev);
	rtnl_unlock();
}

void held(struct sock *sk)
{
	struct net_device *dev;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst ? dst_dev_rcu(dst) : NULL;
	if (dev)
		dev_hold(dev);
	rcu_read_unlock();
	if (dev)
		look_at(dev);
	dev_put(dev);
}

struct net_device *hands_out_held(struct sock *sk)
{
	struct net_device *dev;
	struct dst_entry *dst;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst_dev_rcu(dst);
	netdev_hold(dev, NULL, GFP_ATOMIC);
	rcu_read_unlock();
	return dev;
}
