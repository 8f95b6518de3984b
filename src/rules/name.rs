// SPDX-License-Identifier: GPL-2.0

//! The names of rules: what `mkdir` is told below `/sys/kernel/config/smcify/`.
//!
//! Logic: pure, against `core` alone, but for the types that it fills in.

use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};
use core::str;

use crate::compat::label::Label;
use crate::rules::selector::{
    Prefix,
    Selector, //
};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Tasks.
    Who(Who),
    /// Terms joined by commas: `src:PREFIX`, `dst:PREFIX`, `port:N`, `dev:NAME`.
    Handshake(Selector),
}

/// Which tasks a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// `cgroup:ID`: a cgroup of the v2 hierarchy, and all below it.
    Cgroup(u64),
    /// `comm:NAME`: tasks of this name.
    Comm(Label),
    /// `uid:N`: tasks of this effective user, as the initial user namespace counts.
    Uid(u32),
    /// `netns:COOKIE`: a network namespace, by its `SO_NETNS_COOKIE`.
    Netns(u64),
}

impl Name {
    /// Reads a directory's name.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let (kind, value) = term(text)?;
        let who = match kind {
            b"cgroup" => id(value).map(Who::Cgroup)?,
            b"comm" => Label::new(value)
                .map(Who::Comm)
                .ok_or("a task name has 1 to 15 bytes")?,
            b"uid" => match number(value) {
                // (uid_t)-1 is no user.
                Some(u32::MAX) | None => return Err("a user id is a number below 4294967295"),
                Some(uid) => Who::Uid(uid),
            },
            b"netns" => id(value).map(Who::Netns)?,
            _ => return selector(text).map(Self::Handshake),
        };
        Ok(Self::Who(who))
    }
}

/// A term's kind and value, with a colon between them.
fn term(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let colon = text.iter().position(|byte| *byte == b':');
    colon
        .and_then(|colon| Some((text.get(..colon)?, text.get(colon + 1..)?)))
        .ok_or("a rule is named KIND:VALUE")
}

/// A decimal number, written in the one way that it has.
fn number<T: str::FromStr>(text: &[u8]) -> Option<T> {
    let one_way = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    str::from_utf8(text).ok().filter(|_| one_way)?.parse().ok()
}

/// A number that the kernel gives out, starting at 1.
fn id(text: &[u8]) -> Result<u64, &'static str> {
    number(text)
        .filter(|id| *id > 0)
        .ok_or("an id or cookie is a number from 1")
}

fn selector(text: &[u8]) -> Result<Selector, &'static str> {
    let mut all = Selector {
        src: None,
        dst: None,
        port: None,
        dev: None,
    };
    for text in text.split(|byte| *byte == b',') {
        let (kind, value) = term(text)?;
        let again = match kind {
            b"src" => all.src.replace(prefix(value)?).is_some(),
            b"dst" => all.dst.replace(prefix(value)?).is_some(),
            b"port" => {
                let port = number(value).filter(|port| *port != 0);
                let port = port.ok_or("a port is a number from 1 to 65535")?;
                all.port.replace(port).is_some()
            }
            b"dev" => {
                let dev = Label::new(value).ok_or("a device name has 1 to 15 bytes")?;
                all.dev.replace(dev).is_some()
            }
            _ => return Err("kinds are cgroup, comm, uid, netns; and src, dst, port, dev"),
        };
        if again {
            return Err("a kind of term may stand there once");
        }
    }
    match (all.src, all.dst) {
        (Some(src), Some(dst)) if !src.same_family(&dst) => {
            Err("src and dst are of different families")
        }
        _ => Ok(all),
    }
}

/// `ADDRESS:LENGTH`, an IPv6 address in brackets.
fn prefix(text: &[u8]) -> Result<Prefix, &'static str> {
    const FORM: &str = "a prefix is 10.0.0.0:8 or [2001:db8::]:32";
    let colon = text.iter().rposition(|byte| *byte == b':').ok_or(FORM)?;
    let (address, len) = (text.get(..colon), text.get(colon + 1..));
    let len = len.and_then(number).ok_or(FORM)?;
    let address = str::from_utf8(address.unwrap_or_default()).map_err(|_| FORM)?;
    let v6 = address
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    let address = match v6 {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => address.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    Prefix::new(address.map_err(|_| FORM)?, len)
        .ok_or("a prefix is no longer than an address, and zero behind its length")
}
