// SPDX-License-Identifier: GPL-2.0

//! Host: the names of rules, read back from how they are written.

use proptest::prelude::*;
use smcify::compat::label::Label;
use smcify::rules::name::{Name, Who};
use smcify::rules::selector::{Prefix, Selector};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn read(text: &str) -> Option<Name> {
    Name::parse(text.as_bytes()).ok()
}

fn written(address: IpAddr, len: u8) -> String {
    match address {
        IpAddr::V4(it) => format!("{it}:{len}"),
        IpAddr::V6(it) => format!("[{it}]:{len}"),
    }
}

/// An address with nothing behind its first `len` bits.
fn prefixes() -> impl Strategy<Value = (IpAddr, u8)> {
    let v4 = (any::<u32>(), 0..33u8).prop_map(|(bits, len)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
        (Ipv4Addr::from(bits & mask).into(), len)
    });
    let v6 = (any::<u128>(), 0..129u8).prop_map(|(bits, len)| {
        let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
        (Ipv6Addr::from(bits & mask).into(), len)
    });
    prop_oneof![v4, v6]
}

proptest! {
    /// What follows the first NUL of a field is not part of the name.
    #[test]
    fn a_name_ends_at_its_first_nul(field in prop::array::uniform16(prop_oneof![
        Just(0_u8), Just(1_u8), Just(0x80_u8), any::<u8>()
    ])) {
        let mut expected = field;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        expected[end..].fill(0);
        prop_assert!(Label::from_field(field) == Label::from_field(expected));
        let named = Label::new(&field[..end]);
        prop_assert!(end == 0 || end == field.len() || named == Some(Label::from_field(field)));
    }

    #[test]
    fn numbers_are_read_back(id in 1..=u64::MAX, uid in 0..u32::MAX) {
        prop_assert_eq!(read(&format!("cgroup:{id}")), Some(Name::Who(Who::Cgroup(id))));
        prop_assert_eq!(read(&format!("netns:{id}")), Some(Name::Who(Who::Netns(id))));
        prop_assert_eq!(read(&format!("uid:{uid}")), Some(Name::Who(Who::Uid(uid))));
    }

    #[test]
    fn task_names_are_read_back(name in "[^\\x00/]{1,15}") {
        let label = Label::new(name.as_bytes());
        prop_assert_eq!(label.is_some(), name.len() < 16);
        prop_assert_eq!(read(&format!("comm:{name}")), label.map(|it| Name::Who(Who::Comm(it))));
    }

    #[test]
    fn terms_are_read_back_in_any_order(
        (src, src_len) in prefixes(),
        (dst, dst_len) in prefixes(),
        port in 1..=u16::MAX,
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let terms = [
            format!("src:{}", written(src, src_len)),
            format!("dst:{}", written(dst, dst_len)),
            format!("port:{port}"),
            "dev:eth0".to_owned(),
        ];
        let text: Vec<_> = order.iter().map(|i: &usize| terms[*i].clone()).collect();
        let expected = Selector {
            src: Prefix::new(src, src_len),
            dst: Prefix::new(dst, dst_len),
            port: Some(port),
            dev: Label::new(b"eth0"),
        };
        let one_family = src.is_ipv4() == dst.is_ipv4();
        let found = read(&text.join(","));
        prop_assert_eq!(found, one_family.then_some(Name::Handshake(expected)));
    }

    /// A bit behind the prefix, or a length that is too long, is refused.
    #[test]
    fn prefixes_are_zero_behind_their_length((address, len) in prefixes(), more in 1..10u8) {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host_bit = match address {
            IpAddr::V4(it) => Ipv4Addr::from(u32::from(it) | 1).into(),
            IpAddr::V6(it) => Ipv6Addr::from(u128::from(it) | 1).into(),
        };
        prop_assert_eq!(read(&format!("dst:{}", written(host_bit, len))).is_some(), len == width);
        prop_assert_eq!(read(&format!("dst:{}", written(address, width + more))), None);
    }

    #[test]
    fn junk_is_refused_and_nothing_else_happens(text in "\\PC*") {
        let known = ["cgroup:", "comm:", "uid:", "netns:", "src:", "dst:", "port:", "dev:"];
        let named = known.iter().any(|kind| text.starts_with(kind));
        prop_assert!(named || read(&text).is_none());
    }
}
