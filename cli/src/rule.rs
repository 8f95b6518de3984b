// SPDX-License-Identifier: GPL-2.0
//! A rule, as the kernel names its directory and as a user writes it.

use clap::ValueEnum;
use ipnet::IpNet;
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What a rule does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Smc,
    Tcp,
}

impl Action {
    /// What the kernel reads and writes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smc => "smc",
            Self::Tcp => "tcp",
        }
    }

    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Smc => Self::Tcp,
            Self::Tcp => Self::Smc,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "smc" => Ok(Self::Smc),
            "tcp" => Ok(Self::Tcp),
            other => Err(format!("{other:?} is neither smc nor tcp")),
        }
    }
}

/// A rule, by what it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// cgroup v2 id.
    Cgroup(u64),
    /// Task name.
    Comm(String),
    /// Effective user id.
    Uid(u32),
    /// Network-namespace cookie.
    Netns(u64),
    Where(Where),
}

/// What must hold for a handshake.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Where {
    /// The side that connects.
    pub src: Option<IpNet>,
    /// The side that listens, and its port.
    pub dst: Option<IpNet>,
    pub port: Option<u16>,
    /// The local egress device.
    pub dev: Option<String>,
}

impl Rule {
    /// Whether it speaks of who, not of where.
    pub fn is_who(&self) -> bool {
        !matches!(self, Self::Where(_))
    }

    /// What it does if nobody says.
    pub fn action(&self) -> Action {
        match self.is_who() {
            true => Action::Smc,
            false => Action::Tcp,
        }
    }
}

/// The name of the rule's directory.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(id) => write!(f, "cgroup:{id}"),
            Self::Comm(name) => write!(f, "comm:{name}"),
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Netns(cookie) => write!(f, "netns:{cookie}"),
            Self::Where(terms) => f.write_str(&terms.terms().join(",")),
        }
    }
}

impl Where {
    fn terms(&self) -> Vec<String> {
        [
            self.src.map(|net| format!("src:{}", kernel_prefix(net))),
            self.dst.map(|net| format!("dst:{}", kernel_prefix(net))),
            self.port.map(|port| format!("port:{port}")),
            self.dev.as_ref().map(|dev| format!("dev:{dev}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// As it is typed after `smcify rule add`.
    pub fn options(&self) -> String {
        let options = [
            self.src.map(|net| format!("--src {net}")),
            self.dst.map(|net| format!("--dst {net}")),
            self.port.map(|port| format!("--port {port}")),
            self.dev.as_ref().map(|dev| format!("--dev {dev}")),
        ];
        options.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Reads the name of a directory; terms may come in any order.
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = split(text)?;
        match kind {
            "cgroup" => Ok(Self::Cgroup(number(value)?)),
            "uid" => Ok(Self::Uid(number(value)?)),
            "netns" => Ok(Self::Netns(number(value)?)),
            "comm" => comm(value).map(Self::Comm),
            _ => Where::parse(text).map(Self::Where),
        }
    }
}

impl Where {
    fn parse(text: &str) -> Result<Self, String> {
        let mut terms = Self::default();
        for term in text.split(',') {
            let (kind, value) = split(term)?;
            let twice = match kind {
                "src" => terms.src.replace(from_kernel_prefix(value)?).is_some(),
                "dst" => terms.dst.replace(from_kernel_prefix(value)?).is_some(),
                "port" => terms.port.replace(number(value)?).is_some(),
                "dev" => terms.dev.replace(value.to_string()).is_some(),
                other => return Err(format!("there is no kind of rule {other:?}")),
            };
            if twice {
                return Err(format!("{kind} is there twice"));
            }
        }
        Ok(terms)
    }
}

fn split(term: &str) -> Result<(&str, &str), String> {
    let parts = term.split_once(':');
    parts.ok_or_else(|| format!("{term:?} is not of the form KIND:VALUE"))
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// A task name: 1 to 15 bytes, and able to name a directory.
pub fn comm(name: &str) -> Result<String, String> {
    match name.len() {
        _ if name.contains(['/', '\0']) => Err(format!("{name:?} has a '/' in it")),
        1..=15 => Ok(name.to_string()),
        length => Err(format!(
            "{name:?} has {length} bytes; the kernel keeps 15 of a program's name: {:?}",
            name.get(..15).unwrap_or_default()
        )),
    }
}

/// A prefix as it is usually written; a lone address is itself.
pub fn prefix(text: &str) -> Result<IpNet, String> {
    let bare = text.replace(['[', ']'], "");
    let net = bare
        .parse()
        .or_else(|_| bare.parse().map(|address: IpAddr| IpNet::from(address)));
    let net: IpNet = net.map_err(|_| {
        "not an address or a prefix such as 10.0.0.0/8 or 2001:db8::/32".to_string()
    })?;
    match net.trunc() == net {
        true => Ok(net),
        false => Err(format!("host bits are set; the network is {}", net.trunc())),
    }
}

/// A prefix as part of a directory's name, which cannot hold a '/'.
fn kernel_prefix(net: IpNet) -> String {
    match net {
        IpNet::V4(net) => format!("{}:{}", net.addr(), net.prefix_len()),
        IpNet::V6(net) => format!("[{}]:{}", net.addr(), net.prefix_len()),
    }
}

fn from_kernel_prefix(text: &str) -> Result<IpNet, String> {
    let (address, length) = text
        .rsplit_once(':')
        .ok_or_else(|| format!("{text:?} has no length"))?;
    prefix(&format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Option<IpNet> {
        Some(prefix(text).expect("a prefix"))
    }

    #[test]
    fn names_go_both_ways() {
        for name in [
            "cgroup:18446744073709551615",
            "comm:kworker/0",
            "uid:0",
            "netns:4026531840",
            "dst:10.0.0.0:8",
            "src:127.0.1.0:32,dst:127.0.1.0:32",
            "dst:[2001:db8::]:32,port:443",
            "src:[::1]:128,dst:[::]:0,port:1,dev:eth0",
            "dev:br-0:1",
        ] {
            let rule = Rule::from_str(name);
            match name.contains('/') {
                true => assert!(rule.is_err(), "{name}"),
                false => assert_eq!(rule.expect(name).to_string(), name),
            }
        }
    }

    #[test]
    fn terms_come_in_any_order_but_once() {
        let one = Rule::from_str("port:443,dst:10.0.0.0:8").expect("a rule");
        assert_eq!(one.to_string(), "dst:10.0.0.0:8,port:443");
        assert!(Rule::from_str("port:443,port:444").is_err());
        assert!(Rule::from_str("port:443,uid:4").is_err());
        assert!(Rule::from_str("colour:red").is_err());
        assert!(Rule::from_str("README").is_err());
    }

    #[test]
    fn prefixes_are_translated() {
        let terms = Where {
            src: net("10.1.0.0/16"),
            dst: net("2001:db8::/32"),
            port: Some(80),
            dev: None,
        };
        let options = terms.options();
        assert_eq!(options, "--src 10.1.0.0/16 --dst 2001:db8::/32 --port 80");
        let name = Rule::Where(terms).to_string();
        assert_eq!(name, "src:10.1.0.0:16,dst:[2001:db8::]:32,port:80");
    }

    #[test]
    fn a_lone_address_is_a_prefix_and_host_bits_are_not() {
        assert_eq!(net("192.0.2.1"), net("192.0.2.1/32"));
        assert_eq!(net("[::1]"), net("::1/128"));
        let told = prefix("10.1.2.3/8").expect_err("host bits");
        assert!(told.ends_with("10.0.0.0/8"), "{told}");
        assert!(prefix("10.0.0/8").is_err());
        assert!(prefix("10.0.0.0/33").is_err());
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_for_the_user_to_see() {
        assert_eq!(comm("redis-server"), Ok("redis-server".into()));
        let told = comm("NetworkManager-dispatcher").expect_err("too long");
        assert!(told.contains("\"NetworkManager-\""), "{told}");
        assert!(comm("").is_err());
    }
}
