/* SPDX-License-Identifier: GPL-2.0 */
/* What stream.c offers; read by bindgen. */

#ifndef SMCIFY_STREAM_H
#define SMCIFY_STREAM_H

struct delayed_work;
struct inet_protosw;
struct msghdr;
struct mutex;
struct proto;
struct sock;
struct socket;
struct work_struct;
struct workqueue_struct;

/* Exported by smc.ko: by this that one is loaded first, and stays. */
extern struct proto smc_proto;
extern struct proto *const smcify_smc_proto;

/* Exported by smcify_stream.ko, written in Rust: the protocol of its sockets. */
int smcify_stream_protocol(void);

int smcify_sk_state(const struct sock *sk);
void smcify_sk_set_state(struct sock *sk, int state);
int smcify_sk_error(const struct sock *sk);
int smcify_sk_take_error(struct sock *sk);
void smcify_sk_set_error(struct sock *sk, int error);
void smcify_sk_do_not_linger(struct sock *sk);
int smcify_sk_shutdown(const struct sock *sk);
void smcify_sk_shut(struct sock *sk, int mask);
void smcify_sk_reopen(struct sock *sk);
bool smcify_sk_lingers(const struct sock *sk);
unsigned long smcify_sk_linger_time(const struct sock *sk);
long smcify_sk_timeout(const struct sock *sk, bool receive, bool now);
size_t smcify_sk_size(const struct sock *sk);
void smcify_sk_hold(struct sock *sk);
void smcify_sk_put(struct sock *sk);
void smcify_sk_lock(struct sock *sk);
void smcify_sk_unlock(struct sock *sk);
long smcify_sk_wait(struct sock *sk, long timeout, bool exclusive, bool (*over)(struct sock *sk));
void smcify_sk_move(struct sock *sk, struct socket *to);

bool smcify_tcp_is_corked(const struct sock *tcp);
bool smcify_tcp_is(const struct socket *tcp);
void smcify_tcp_resemble(struct socket *tcp, const struct socket *socket);
void smcify_sk_linger_like(struct sock *sk, const struct sock *as);
void smcify_tcp_bind_like(struct socket *tcp, const struct sock *sk);
void smcify_tcp_forget_error(struct socket *tcp);

bool smcify_has_file(const struct socket *socket);
bool smcify_fell_back(const struct socket *socket);
bool smcify_is_exiting(void);
bool smcify_has_signal(void);
int smcify_interrupted(long timeout);
void smcify_sigpipe(void);

size_t smcify_msg_left(const struct msghdr *msg);
size_t smcify_msg_unreadable(const struct msghdr *msg, size_t most);
void smcify_msg_shorten(struct msghdr *msg, size_t by);
void smcify_msg_lengthen(struct msghdr *msg, size_t by);

struct proto *smcify_sk_proto(const struct sock *sk);
int smcify_register(struct inet_protosw *protosw, bool inet6);
void smcify_unregister(struct inet_protosw *protosw, bool inet6);

struct workqueue_struct *smcify_queue(void);
void smcify_later(struct delayed_work *work, void (*run)(struct work_struct *work));
bool smcify_queue_later(struct workqueue_struct *queue, struct delayed_work *work,
			unsigned int ms);

void smcify_mutex_lock(struct mutex *mutex);
unsigned long smcify_jiffies(void);
unsigned long smcify_work_function(const struct work_struct *work);

#endif
