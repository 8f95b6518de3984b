// SPDX-License-Identifier: GPL-2.0
/*
 * What smcify_stream.ko's bindings need and C keeps to itself: fields, static
 * inline functions and macros of the kernel's headers, one each.
 */

#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <net/protocol.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "stream.h"

EXPORT_SYMBOL_GPL(smcify_stream_protocol);

struct proto *const smcify_smc_proto = &smc_proto;

int smcify_sk_state(const struct sock *sk)
{
	return smp_load_acquire(&sk->sk_state);
}

void smcify_sk_set_state(struct sock *sk, int state)
{
	WRITE_ONCE(sk->sk_state, state);
}

int smcify_sk_error(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err);
}

int smcify_sk_take_error(struct sock *sk)
{
	return sock_error(sk);
}

void smcify_sk_set_error(struct sock *sk, int error)
{
	cmpxchg(&sk->sk_err, 0, error);
}

void smcify_sk_do_not_linger(struct sock *sk)
{
	sock_set_flag(sk, SOCK_LINGER);
	WRITE_ONCE(sk->sk_lingertime, 0);
}

int smcify_sk_shutdown(const struct sock *sk)
{
	return READ_ONCE(sk->sk_shutdown);
}

/* Directions of @mask are shut, and whoever waits for @sk looks again. */
void smcify_sk_shut(struct sock *sk, int mask)
{
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | mask);
	sk->sk_state_change(sk);
}

void smcify_sk_reopen(struct sock *sk)
{
	WRITE_ONCE(sk->sk_shutdown, 0);
}

bool smcify_sk_lingers(const struct sock *sk)
{
	return sock_flag(sk, SOCK_LINGER);
}

unsigned long smcify_sk_linger_time(const struct sock *sk)
{
	return READ_ONCE(sk->sk_lingertime);
}

long smcify_sk_timeout(const struct sock *sk, bool receive, bool now)
{
	return receive ? sock_rcvtimeo(sk, now) : sock_sndtimeo(sk, now);
}

size_t smcify_sk_size(const struct sock *sk)
{
	return sk->sk_prot->obj_size;
}

void smcify_sk_hold(struct sock *sk)
{
	sock_hold(sk);
}

void smcify_sk_put(struct sock *sk)
{
	sock_put(sk);
}

void smcify_sk_lock(struct sock *sk)
{
	lock_sock(sk);
}

void smcify_sk_unlock(struct sock *sk)
{
	release_sock(sk);
}

/*
 * Sleeps until @over says so, whenever somebody wakes those who wait for @sk, but at most
 * @timeout jiffies, and not if there is a signal. What is left of the time.
 */
long smcify_sk_wait(struct sock *sk, long timeout, bool exclusive, bool (*over)(struct sock *sk))
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	if (exclusive)
		add_wait_queue_exclusive(sk_sleep(sk), &wait);
	else
		add_wait_queue(sk_sleep(sk), &wait);
	while (!over(sk) && timeout && !signal_pending(current))
		timeout = wait_woken(&wait, TASK_INTERRUPTIBLE, timeout);
	remove_wait_queue(sk_sleep(sk), &wait);
	return timeout;
}

/* From now on @sk is @to's, a socket that nobody has seen yet. With the socket's lock held. */
void smcify_sk_move(struct sock *sk, struct socket *to)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_pointer(sk->sk_wq, &to->wq);
	to->sk = sk;
	sk_set_socket(sk, to);
	write_unlock_bh(&sk->sk_callback_lock);
}

bool smcify_tcp_is_corked(const struct sock *tcp)
{
	return tcp_sk(tcp)->nonagle & TCP_NAGLE_CORK;
}

/* Whether @tcp, which may be anything at all, is a TCP socket. */
bool smcify_tcp_is(const struct socket *tcp)
{
	struct socket *socket;
	struct sock *sk;
	u16 protocol;

	return !get_kernel_nofault(sk, &tcp->sk) && sk &&
	       !get_kernel_nofault(socket, &sk->sk_socket) && socket == tcp &&
	       !get_kernel_nofault(protocol, &sk->sk_protocol) && protocol == IPPROTO_TCP;
}

/* As MPTCP's subflows: ss, lsof and fuser find the program by the number of the inode. */
void smcify_tcp_resemble(struct socket *tcp, const struct socket *socket)
{
	const struct inode *inode = SOCK_INODE((struct socket *)socket);

	SOCK_INODE(tcp)->i_ino = inode->i_ino;
	SOCK_INODE(tcp)->i_uid = inode->i_uid;
	SOCK_INODE(tcp)->i_gid = inode->i_gid;
	WRITE_ONCE(tcp->sk->sk_ino, inode->i_ino);
}

void smcify_sk_linger_like(struct sock *sk, const struct sock *as)
{
	lock_sock(sk);
	sock_valbool_flag(sk, SOCK_LINGER, sock_flag(as, SOCK_LINGER));
	WRITE_ONCE(sk->sk_lingertime, READ_ONCE(as->sk_lingertime));
	release_sock(sk);
}

/* What of the options of @sk matters to a TCP socket's bind(). */
void smcify_tcp_bind_like(struct socket *tcp, const struct sock *sk)
{
	tcp->sk->sk_bound_dev_if = READ_ONCE(sk->sk_bound_dev_if);
	WRITE_ONCE(tcp->sk->sk_mark, READ_ONCE(sk->sk_mark));
	WRITE_ONCE(tcp->sk->sk_priority, READ_ONCE(sk->sk_priority));
}

void smcify_tcp_forget_error(struct socket *tcp)
{
	sock_error(tcp->sk);
}

bool smcify_has_file(const struct socket *socket)
{
	return socket->file;
}

bool smcify_fell_back(const struct socket *socket)
{
	return socket->file && READ_ONCE(socket->file->private_data) != socket;
}

bool smcify_is_exiting(void)
{
	return current->flags & PF_EXITING;
}

bool smcify_has_signal(void)
{
	return signal_pending(current);
}

int smcify_interrupted(long timeout)
{
	return sock_intr_errno(timeout);
}

void smcify_sigpipe(void)
{
	send_sig(SIGPIPE, current, 0);
}

size_t smcify_msg_left(const struct msghdr *msg)
{
	return msg_data_left(msg);
}

/* How many of the first @most bytes that are left cannot be read, from a page on. */
size_t smcify_msg_unreadable(const struct msghdr *msg, size_t most)
{
	return fault_in_iov_iter_readable(&msg->msg_iter, most);
}

void smcify_msg_shorten(struct msghdr *msg, size_t by)
{
	iov_iter_truncate(&msg->msg_iter, msg_data_left(msg) - by);
}

void smcify_msg_lengthen(struct msghdr *msg, size_t by)
{
	iov_iter_reexpand(&msg->msg_iter, msg_data_left(msg) + by);
}

struct proto *smcify_sk_proto(const struct sock *sk)
{
	return sk->sk_prot;
}

int smcify_register(struct inet_protosw *protosw, bool inet6)
{
	if (!inet6) {
		inet_register_protosw(protosw);
		return 0;
	}
#if IS_ENABLED(CONFIG_IPV6)
	return inet6_register_protosw(protosw);
#else
	return -EAFNOSUPPORT;
#endif
}

void smcify_unregister(struct inet_protosw *protosw, bool inet6)
{
	if (!inet6)
		inet_unregister_protosw(protosw);
#if IS_ENABLED(CONFIG_IPV6)
	else
		inet6_unregister_protosw(protosw);
#endif
}

struct workqueue_struct *smcify_queue(void)
{
	return alloc_workqueue("smcify_stream", WQ_UNBOUND, 0);
}

void smcify_later(struct delayed_work *work, void (*run)(struct work_struct *work))
{
	INIT_DELAYED_WORK(work, run);
}

bool smcify_queue_later(struct workqueue_struct *queue, struct delayed_work *work,
			unsigned int ms)
{
	return queue_delayed_work(queue, work, msecs_to_jiffies(ms));
}

void smcify_mutex_lock(struct mutex *mutex)
{
	mutex_lock(mutex);
}

unsigned long smcify_jiffies(void)
{
	return jiffies;
}

unsigned long smcify_work_function(const struct work_struct *work)
{
	return (unsigned long)work->func;
}
