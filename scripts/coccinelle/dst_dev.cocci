// SPDX-License-Identifier: GPL-2.0
/// A dst (a cached route) holds its network device only while that is registered.
/// When it goes, the dst is given another device, and the old one is freed after
/// an RCU grace period. So whoever takes the device out of a socket's dst has to
/// take it and use it within one RCU read-side section, or with RTNL held, which
/// keeps devices from going; or else to take a reference in there.
///
/// Printed is one line for each function that
///   uses      such a device outside of a section,
///   keeps     it beyond the end of the section, without a reference, and uses it,
///   tests     it outside of a section, and trusts the test for a later reading.
//
// Confidence: Moderate. Sections that a function's callers hold are not seen.
// Options: --no-includes --very-quiet

@initialize:python@
@@
ORDER = ["uses", "keeps", "tests"]
found = {}

def report(kind, at, what):
    """Notes a finding; of those in one function the gravest stays, then the first."""
    function = (at.file, at.current_element)
    finding = (ORDER.index(kind), int(at.line), what)
    found[function] = min(finding, found.get(function, finding))

// 1. Readings of a device that a section of the same function covers.
@covered exists@
expression x, net;
identifier reader = {dst_dev, dst_dev_rcu, dst_dev_net, dst_dev_net_rcu};
position c;
@@
(
 rcu_read_lock();
|
 rcu_read_lock_bh();
|
 rtnl_lock();
|
 rtnl_net_lock(net);
)
 ... when != \(rcu_read_unlock();\|rcu_read_unlock_bh();\|rtnl_unlock();\|rtnl_net_unlock(net);\)
     when any
(
 x->dev@c
|
 reader@c(x)
)

// 2. Calls that get a dst, covered in the same way.
@covered_call exists@
expression net;
struct dst_entry *x;
identifier callee;
position c;
@@
(
 rcu_read_lock();
|
 rcu_read_lock_bh();
|
 rtnl_lock();
|
 rtnl_net_lock(net);
)
 ... when != \(rcu_read_unlock();\|rcu_read_unlock_bh();\|rtnl_unlock();\|rtnl_net_unlock(net);\)
     when any
 callee@c(..., x, ...)

// 3. Readings outside of a section that look at the pointer, not at the device.
@look@
expression x, other;
identifier reader = {dst_dev, dst_dev_rcu};
position t != covered.c;
@@
(
 !x->dev@t
|
 x->dev@t == other
|
 x->dev@t != other
|
 other && x->dev@t
|
 x->dev@t && other
|
 !reader@t(x)
|
 reader@t(x) == other
|
 reader@t(x) != other
)

// 4. A variable that holds a socket's dst: the one it caches, the one of received
//    packets, that of an SCTP transport, that of what is corked. dst_rtable() and
//    dst_rt6_info() only change its type.
@dst exists@
expression s;
struct sctp_transport *tp;
struct inet_cork *cork;
struct inet_cork_full *full;
identifier d;
identifier get = {sk_dst_get, __sk_dst_get, sk_dst_check, __sk_dst_check};
identifier load = {rcu_dereference, rcu_dereference_protected, READ_ONCE};
identifier route = {dst_rtable, dst_rt6_info};
position p;
@@
(
 d@p = get(s, ...)
|
 d@p = route(get(s, ...))
|
 d@p = load(\(s->sk_dst_cache\|s->sk_rx_dst\), ...)
|
 d@p = \(tp->dst\|s->peer.primary_path->dst\|cork->dst\|full->base.dst\)
|
 d@p = route(\(tp->dst\|cork->dst\|full->base.dst\))
)

// 5. The device is read from it outside of a section.
@uses exists@
expression e, o;
identifier dst.d;
identifier reader = {dst_dev, dst_dev_rcu, dst_dev_net, dst_dev_net_rcu};
position dst.p;
position r != {covered.c, look.t};
@@
 d@p = e
 ... when != d = o
     when any
(
 d->dev@r
|
 d->dst.dev@r
|
 reader@r(\(d\|&d->dst\))
)

@script:python@
r << uses.r;
d << dst.d;
@@
report("uses", r[0], "uses the device of %s without RCU or a reference" % d)

//    The same without a variable for the dst.
@straight@
expression s;
struct sctp_transport *tp;
struct inet_cork *cork;
identifier get = {sk_dst_get, __sk_dst_get, sk_dst_check, __sk_dst_check};
identifier reader = {dst_dev, dst_dev_rcu, dst_dev_net, dst_dev_net_rcu};
position r != {covered.c, look.t};
@@
(
 get(s, ...)->dev@r
|
 reader@r(get(s, ...))
|
 tp->dst->dev@r
|
 cork->dst->dev@r
|
 reader@r(\(tp->dst\|cork->dst\))
)

@script:python@
r << straight.r;
@@
report("uses", r[0], "uses the device of a socket's dst without RCU or a reference")

// 6. Only a test is outside, and the device, or the dst for its sake, is used
//    after it: the second reading need not find what the first one found.
@tests exists@
expression e, o;
identifier dst.d;
identifier reader = {dst_dev, dst_dev_rcu, dst_dev_net, dst_dev_net_rcu};
identifier callee != {dst_release, dst_hold, dst_clone};
position dst.p, look.t, again;
@@
 d@p = e
 ... when != d = o
     when any
\(d->dev@t\|reader@t(d)\)
 ... when != d = o
     when any
(
 d->dev@again
|
 reader@again(d)
|
 callee@again(..., d, ...)
)

@script:python@
t << look.t;
d << dst.d;
again << tests.again;
@@
report("tests", t[0], "tests the device of %s without RCU, but uses what line %s finds" % (d, again[0].line))

// 7. Variables that a reference is taken of, on any path.
@held exists@
expression e, o;
identifier n;
identifier hold = {dev_hold, __dev_hold, netdev_hold};
position h;
@@
 n@h = e
 ... when != n = o
     when any
 hold(n, ...)

// 8. The device goes into a variable without one, and is used or returned when
//    a section has ended since.
@taken exists@
expression e, o;
identifier dst.d, n;
identifier reader = {dst_dev, dst_dev_rcu};
position dst.p, k != held.h;
@@
 d@p = e
 ... when != d = o
     when any
(
 n@k = d->dev
|
 n@k = reader(\(d\|&d->dst\))
|
 n@k = o ? d->dev : NULL
|
 n@k = o ? reader(\(d\|&d->dst\)) : NULL
)

@keeps exists@
expression e, o;
identifier taken.n, fld;
identifier callee;
position taken.k, u;
@@
 n@k = e
 ... when != n = o
     when any
(
 rcu_read_unlock();
|
 rcu_read_unlock_bh();
|
 rtnl_unlock();
)
 ... when != n = o
     when any
(
 n@u->fld
|
 callee(..., n@u, ...)
)

@returns exists@
expression e, o;
identifier taken.n;
position taken.k, u;
@@
 n@k = e
 ... when != n = o
     when any
(
 rcu_read_unlock();
|
 rcu_read_unlock_bh();
|
 rtnl_unlock();
)
 ... when != n = o
     when any
 return n@u;

@script:python@
u << keeps.u;
n << taken.n;
@@
report("keeps", u[0], "keeps %s beyond the RCU section, without a reference" % n)

@script:python@
u << returns.u;
n << taken.n;
@@
report("keeps", u[0], "returns %s out of the RCU section, without a reference" % n)

// 9. The dst goes to a function of the same file without a section, and that one
//    reads the device without one.
@passed exists@
expression e, o;
identifier dst.d, callee;
position dst.p, c != covered_call.c;
@@
 d@p = e
 ... when != d = o
     when any
 callee@c(..., d, ...)

@callee_uses exists@
identifier passed.callee, x;
identifier reader = {dst_dev, dst_dev_rcu, dst_dev_net, dst_dev_net_rcu};
position r != {covered.c, look.t};
@@
 callee(..., struct dst_entry *x, ...)
 {
 ... when any
(
 x->dev@r
|
 reader@r(x)
)
 ... when any
 }

@script:python@
r << callee_uses.r;
x << callee_uses.x;
@@
report("uses", r[0], "uses the device of %s without RCU or a reference" % x)

@finalize:python@
@@
for (path, function), (_, line, what) in sorted(found.items(), key=lambda it: (it[0][0], it[1][1])):
    print("%s:%d: %s: %s" % (path, line, function, what))
