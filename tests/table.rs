// SPDX-License-Identifier: GPL-2.0

//! Host: the tables against naive ones.

use proptest::prelude::*;
use smcify::compat::label::Label;
use smcify::compat::rcu;
use smcify::rules::selector::{Ends, Handshake, Prefix, Selector, Selectors};
use smcify::rules::table::{Refused, Table};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug)]
enum Change {
    Insert(u64),
    Remove(u64),
}

impl Change {
    fn key(&self) -> u64 {
        match *self {
            Self::Insert(key) | Self::Remove(key) => key,
        }
    }
}

/// Few keys, so that they meet; near each other and far apart.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let key = || prop_oneof![0..40u64, (0..40u64).prop_map(|k| k << 58), any::<u64>()];
    let change = prop_oneof![
        3 => key().prop_map(Change::Insert),
        2 => key().prop_map(Change::Remove)
    ];
    prop::collection::vec(change, 0..400)
}

proptest! {
    #[test]
    fn a_table_is_a_map(changes in changes()) {
        let (table, mut map) = (Table::default(), BTreeMap::new());
        for (value, change) in changes.iter().enumerate() {
            match *change {
                Change::Insert(key) => {
                    let refused = table.insert(key, value).err();
                    prop_assert_eq!(refused, map.get(&key).map(|_| Refused::Exists));
                    map.entry(key).or_insert(value);
                }
                Change::Remove(key) => {
                    table.remove(&key);
                    map.remove(&key);
                }
            }
            let key = change.key();
            let guard = rcu::read_lock();
            prop_assert_eq!(table.get(|| key, &guard), map.get(&key));
            prop_assert_eq!(table.len(), map.len());
        }
        let guard = rcu::read_lock();
        for (key, value) in &map {
            prop_assert_eq!(table.get(|| *key, &guard), Some(value));
        }
        let keys: Vec<u64> = changes.iter().map(Change::key).collect();
        let may_have = table.may_have(|| keys.iter().copied(), &guard);
        prop_assert!(may_have || keys.iter().all(|key| !map.contains_key(key)));
        prop_assert!(!may_have || !map.is_empty());
        let first = keys.iter().find_map(|key| map.get(key));
        prop_assert_eq!(table.first(|| keys.iter().copied(), &guard), first);
    }
}

/// What the kernel would ask about.
#[derive(Clone, Debug)]
struct Syn {
    src: IpAddr,
    dst: IpAddr,
    port: u16,
    dev: Option<Label>,
}

impl Handshake for Syn {
    fn ends(&self) -> Ends {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ends::v4(src.into(), dst.into()),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ends::v6(src.into(), dst.into()),
            mixed => panic!("no connection is between {mixed:?}"),
        }
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn dev(&self) -> Option<Label> {
        self.dev
    }
}

/// Of each family a few, which differ in bits of every length.
fn v4() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        Just(0u32),
        Just(u32::MAX),
        (0..32u32).prop_map(|n| 1 << n),
        any::<u32>()
    ]
    .prop_map(|bits| Ipv4Addr::from(bits).into())
}

fn v6() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        Just(0u128),
        Just(u128::MAX),
        (0..128u32).prop_map(|n| 1 << n),
        any::<u32>().prop_map(|bits| u128::from(bits) << 96),
    ]
    .prop_map(|bits| Ipv6Addr::from(bits).into())
}

fn pair() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![(v4(), v4()), (v6(), v6())]
}

fn devices() -> impl Strategy<Value = Option<Label>> {
    prop::sample::select(vec![None, Label::new(b"eth0"), Label::new(b"eth1")])
}

/// The bit at `index` of an address, counted from the left.
fn bit(address: IpAddr, index: u8) -> bool {
    let octet = |octets: &[u8]| octets[usize::from(index / 8)] >> (7 - index % 8) & 1 == 1;
    match address {
        IpAddr::V4(it) => octet(&it.octets()),
        IpAddr::V6(it) => octet(&it.octets()),
    }
}

/// A prefix as the model has it: an address of which only `len` bits matter.
type Naive = (IpAddr, u8);

fn covers((prefix, len): Naive, address: IpAddr) -> bool {
    prefix.is_ipv4() == address.is_ipv4() && (0..len).all(|i| bit(prefix, i) == bit(address, i))
}

fn prefix((address, len): Naive) -> Option<Prefix> {
    let cut = |octets: &mut [u8]| {
        for (i, octet) in octets.iter_mut().enumerate() {
            let kept = usize::from(len).saturating_sub(i * 8).min(8);
            *octet &= !(0xff_u16 >> kept) as u8;
        }
    };
    let address = match address {
        IpAddr::V4(it) => {
            let mut octets = it.octets();
            cut(&mut octets);
            IpAddr::from(octets)
        }
        IpAddr::V6(it) => {
            let mut octets = it.octets();
            cut(&mut octets);
            IpAddr::from(octets)
        }
    };
    Prefix::new(address, len)
}

/// A rule as the model has it.
#[derive(Clone, Debug)]
struct Rule {
    src: Option<Naive>,
    dst: Option<Naive>,
    port: Option<u16>,
    dev: Option<Label>,
}

impl Rule {
    fn selector(&self) -> Option<Selector> {
        let (src, dst) = (self.src.map(prefix), self.dst.map(prefix));
        Some(Selector {
            // A prefix that cannot be, of mapped addresses, is no rule.
            src: src.map_or(Some(None), |it| it.map(Some))?,
            dst: dst.map_or(Some(None), |it| it.map(Some))?,
            port: self.port,
            dev: self.dev,
        })
    }

    fn covers(&self, syn: &Syn) -> bool {
        self.src.is_none_or(|src| covers(src, syn.src))
            && self.dst.is_none_or(|dst| covers(dst, syn.dst))
            && self.port.is_none_or(|port| port == syn.port)
            && self.dev.is_none_or(|dev| syn.dev == Some(dev))
    }

    fn rank(&self) -> impl Ord + use<> {
        let len = |it: Option<Naive>| it.map(|(_, len)| len);
        let (port, dev) = (self.port.is_some(), self.dev.is_some());
        (len(self.dst), len(self.src), port, dev)
    }
}

fn rules() -> impl Strategy<Value = Rule> {
    let len = |it: &IpAddr| match it {
        IpAddr::V4(_) => 0..33u8,
        IpAddr::V6(_) => 0..129u8,
    };
    let pair = pair().prop_flat_map(move |(src, dst)| {
        let (src_len, dst_len) = (len(&src), len(&dst));
        let some = |it: IpAddr, len| prop::option::of((Just(it), len));
        (some(src, src_len), some(dst, dst_len))
    });
    let port = prop::option::of(80..83u16);
    (pair, port, devices()).prop_map(|((src, dst), port, dev)| Rule {
        src,
        dst,
        port,
        dev,
    })
}

fn handshakes() -> impl Strategy<Value = Syn> {
    (pair(), 80..84u16, devices()).prop_map(|((src, dst), port, dev)| Syn {
        src,
        dst,
        port,
        dev,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_most_specific_selector_is_found(
        rules in prop::collection::vec((rules(), any::<bool>()), 1..60),
        handshakes in prop::collection::vec(handshakes(), 1..40),
    ) {
        let (selectors, mut model) = (Selectors::default(), Vec::new());
        for (value, (rule, _)) in rules.iter().enumerate() {
            let Some(selector) = rule.selector() else {
                continue;
            };
            if selectors.insert(&selector, value).is_ok() {
                model.push((rule, value));
            }
        }
        let find = |model: &[(&Rule, usize)], syn: &Syn| {
            let covering = model.iter().filter(|(rule, _)| rule.covers(syn));
            covering.max_by_key(|(rule, _)| rule.rank()).map(|(_, value)| *value)
        };
        let guard = rcu::read_lock();
        for syn in &handshakes {
            prop_assert_eq!(selectors.get(syn, &guard).copied(), find(&model, syn));
        }
        // And what is left of them when some are taken away.
        for (rule, _) in rules.iter().filter(|(_, gone)| *gone) {
            if let Some(selector) = rule.selector() {
                selectors.remove(&selector);
                model.retain(|(it, _)| it.selector() != Some(selector));
            }
        }
        prop_assert_eq!(selectors.count(), model.len());
        for syn in &handshakes {
            prop_assert_eq!(selectors.get(syn, &guard).copied(), find(&model, syn));
        }
    }
}
