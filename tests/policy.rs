// SPDX-License-Identifier: GPL-2.0

//! Host: the decision, against one written the other way round.

use proptest::prelude::*;
use smcify::rules::policy::{Action, IPPROTO_SMCIFY, Request};

/// The requests of `socket(2)` that end in `tcp_v4_init_sock()` or `tcp_v6_init_sock()`,
/// from the tables of `inet_create()` and `inet6_create()`.
fn reaches_tcp(request: &Request) -> bool {
    const SOCK_FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let inet = [libc::AF_INET, libc::AF_INET6].contains(&request.family);
    let stream = [libc::SOCK_STREAM].contains(&(request.kind & !SOCK_FLAGS));
    let tcp = [libc::IPPROTO_IP, libc::IPPROTO_TCP].contains(&request.protocol);
    inet && stream && tcp
}

/// Mostly requests near the border, some far away.
fn requests() -> impl Strategy<Value = Request> {
    let family = prop_oneof![
        Just(libc::AF_INET),
        Just(libc::AF_INET6),
        0..64i32,
        any::<i32>()
    ];
    let base = prop_oneof![Just(libc::SOCK_STREAM), 0..16i32];
    let flags = prop_oneof![
        Just(0),
        Just(libc::SOCK_CLOEXEC),
        Just(libc::SOCK_NONBLOCK),
        Just(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
    ];
    let protocol = prop_oneof![Just(0), Just(libc::IPPROTO_TCP), 0..512i32, any::<i32>()];
    (family, base, flags, protocol).prop_map(|(family, base, flags, protocol)| Request {
        family,
        kind: base | flags,
        protocol,
    })
}

#[test]
fn an_action_is_a_protocol_or_none() {
    assert_eq!(Action::Smc.protocol(), Some(IPPROTO_SMCIFY));
    assert_eq!(Action::Tcp.protocol(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn smc_is_chosen_where_tcp_would_be(request in requests()) {
        prop_assert_eq!(request.is_tcp(), reaches_tcp(&request));
    }

    #[test]
    fn only_the_two_names_are_read(text in "(tcp|smc|\\PC{0,6})\n{0,2}") {
        let expected = match text.as_str() {
            "tcp" | "tcp\n" => Some(Action::Tcp),
            "smc" | "smc\n" => Some(Action::Smc),
            _ => None,
        };
        prop_assert_eq!(Action::parse(text.as_bytes()), expected);
    }
}
