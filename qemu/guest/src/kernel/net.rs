// SPDX-License-Identifier: GPL-2.0
//! The guest's network: devices that come and go, addresses, a soft-RoCE device.

use crate::kernel::netns::Netns;
use crate::netlink::Body;
use crate::netlink::request;
use anyhow::Context;
use anyhow::Result;
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use nix::net::if_::if_nametoindex;
use std::fs::write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::time::Duration;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;

/// The index of a device, which no other has while the namespace is there.
pub fn index(name: &str) -> Result<u32> {
    if_nametoindex(name).with_context(|| format!("no network device {name}"))
}

/// The fixed header of messages on a device; index 0 is none. What `flags` has is set, the
/// others stay.
fn ifinfomsg(index: u32, flags: u32) -> Body {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    Body::new(&header)
}

/// Sets a device up.
pub fn up(name: &str) -> Result<()> {
    let body = ifinfomsg(index(name)?, libc::IFF_UP as u32);
    request(NlFamily::Route, RTM_NEWLINK, NlmF::empty(), body)
        .with_context(|| format!("{name} does not come up"))?;
    Ok(())
}

/// Makes the device `name` of a kind, with what else there is to say about it.
fn add_link(name: &str, body: Body, kind: &str, data: Body) -> Result<()> {
    let info = Body::new(&[])
        .string(IFLA_INFO_KIND, kind)?
        .nest(IFLA_INFO_DATA, data)?;
    let body = body.string(IFLA_IFNAME, name)?.nest(IFLA_LINKINFO, info)?;
    request(
        NlFamily::Route,
        RTM_NEWLINK,
        NlmF::CREATE | NlmF::EXCL,
        body,
    )
    .with_context(|| format!("no {kind} device {name}"))?;
    Ok(())
}

/// Makes a pair of veth devices, the second in a namespace of its own.
pub fn add_veth(name: &str, peer: &str, netns: &Netns) -> Result<()> {
    const VETH_INFO_PEER: u16 = 1;
    let fd = netns.as_fd().as_raw_fd().to_ne_bytes();
    let peer = ifinfomsg(0, 0)
        .string(IFLA_IFNAME, peer)?
        .attr(IFLA_NET_NS_FD, &fd)?;
    let data = Body::new(&[]).nest(VETH_INFO_PEER, peer)?;
    add_link(name, ifinfomsg(0, 0), "veth", data)
}

/// Makes VLAN `id` on `link` a device.
pub fn add_vlan(name: &str, link: &str, id: u16) -> Result<()> {
    const IFLA_VLAN_ID: u16 = 1;
    let body = ifinfomsg(0, 0).attr(IFLA_LINK, &index(link)?.to_ne_bytes())?;
    let data = Body::new(&[]).attr(IFLA_VLAN_ID, &id.to_ne_bytes())?;
    add_link(name, body, "vlan", data)
}

/// Makes a device that leads nowhere.
pub fn add_dummy(name: &str) -> Result<()> {
    add_link(name, ifinfomsg(0, 0), "dummy", Body::new(&[]))
}

/// Deletes a device. Returns when it is freed. By its index, so that RTNL is needed once:
/// a name is looked up under RTNL as well.
pub fn delete(index: u32) -> Result<()> {
    let body = ifinfomsg(index, 0);
    request(NlFamily::Route, RTM_DELLINK, NlmF::empty(), body)
        .with_context(|| format!("device {index} is not deleted"))?;
    Ok(())
}

/// Keeps IPv6 off a device that is down: else it looks for duplicates of its own address for
/// a second or two once the device is up, and holds the device for as long.
pub fn without_ipv6(name: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    write(&path, "1").with_context(|| path)
}

/// Has a device take its own link-local address without looking for duplicates.
pub fn without_detection(name: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/accept_dad");
    write(&path, "0").with_context(|| path)
}

/// Gives a device another name.
pub fn rename(name: &str, new: &str) -> Result<()> {
    let body = ifinfomsg(index(name)?, 0).string(IFLA_IFNAME, new)?;
    request(NlFamily::Route, RTM_NEWLINK, NlmF::empty(), body)
        .with_context(|| format!("{name} is not renamed"))?;
    Ok(())
}

/// Moves a device to a namespace. It comes out down, and without its addresses.
pub fn move_to(name: &str, netns: &Netns) -> Result<()> {
    let fd = netns.as_fd().as_raw_fd().to_ne_bytes();
    let body = ifinfomsg(index(name)?, 0).attr(IFLA_NET_NS_FD, &fd)?;
    request(NlFamily::Route, RTM_NEWLINK, NlmF::empty(), body)
        .with_context(|| format!("{name} is not moved"))?;
    Ok(())
}

/// Gives a device an address. IPv6 is usable at once: no other guest has it.
pub fn add_address(name: &str, address: IpAddr, prefix: u8) -> Result<()> {
    add_peer_address(name, address, address, prefix)
}

/// Gives a device an address whose subnet is that of its peer.
pub fn add_peer_address(name: &str, address: IpAddr, peer: IpAddr, prefix: u8) -> Result<()> {
    let body = ifaddrmsg(name, address, peer, prefix)?;
    let flags = NlmF::CREATE | NlmF::EXCL;
    request(NlFamily::Route, RTM_NEWADDR, flags, body)
        .with_context(|| format!("{name} does not take {address}/{prefix}"))?;
    Ok(())
}

/// Takes an address away again.
pub fn delete_address(name: &str, address: IpAddr, prefix: u8) -> Result<()> {
    let body = ifaddrmsg(name, address, address, prefix)?;
    request(NlFamily::Route, RTM_DELADDR, NlmF::empty(), body)
        .with_context(|| format!("{name} keeps {address}/{prefix}"))?;
    Ok(())
}

/// A message on an address.
fn ifaddrmsg(name: &str, address: IpAddr, peer: IpAddr, prefix: u8) -> Result<Body> {
    let octets = |address| match address {
        IpAddr::V4(a) => Ipv4Addr::octets(&a).to_vec(),
        IpAddr::V6(a) => Ipv6Addr::octets(&a).to_vec(),
    };
    let (family, flags) = match address {
        IpAddr::V4(_) => (libc::AF_INET, 0),
        IpAddr::V6(_) => (libc::AF_INET6, IFA_F_NODAD),
    };
    let mut header = vec![family as u8, prefix, flags, 0];
    header.extend(index(name)?.to_ne_bytes());
    Body::new(&header)
        .attr(IFA_LOCAL, &octets(address))?
        .attr(IFA_ADDRESS, &octets(peer))
}

/// Makes a device hold back what it sends, as a long way would.
pub fn delay(name: &str, time: Duration) -> Result<()> {
    netem(name, NlmF::CREATE | NlmF::EXCL, time, 0)
}

/// Puts a queue before a device that can delay and lose packets; until it is told to it does
/// neither.
pub fn add_netem(name: &str) -> Result<()> {
    netem(name, NlmF::CREATE | NlmF::EXCL, Duration::ZERO, 0)
}

/// Has that queue hold back packets for so long, and lose `lost` of 1,000.
pub fn set_netem(name: &str, delay: Duration, lost: u32) -> Result<()> {
    netem(name, NlmF::empty(), delay, lost)
}

fn netem(name: &str, flags: NlmF, delay: Duration, lost: u32) -> Result<()> {
    const TCA_KIND: u16 = 1;
    const TCA_OPTIONS: u16 = 2;
    const TCA_NETEM_LATENCY64: u16 = 10;
    /// How many packets there is room for.
    const LIMIT: u32 = 10_000;
    // A `struct tc_netem_qopt`: of 2^32 - 1 packets, the third number are lost.
    let lost = u64::from(u32::MAX) * u64::from(lost) / 1000;
    let qopt = [0, LIMIT, u32::try_from(lost)?, 0, 0, 0];
    let nanoseconds = i64::try_from(delay.as_nanos())?;
    let options = Body::new(&qopt.map(u32::to_ne_bytes).concat())
        .attr(TCA_NETEM_LATENCY64, &nanoseconds.to_ne_bytes())?;
    let body = tcmsg(name)?
        .string(TCA_KIND, "netem")?
        .nest(TCA_OPTIONS, options)?;
    request(NlFamily::Route, RTM_NEWQDISC, flags, body)
        .with_context(|| format!("{name} has no netem"))?;
    Ok(())
}

/// Takes that queue away.
pub fn delete_netem(name: &str) -> Result<()> {
    request(NlFamily::Route, RTM_DELQDISC, NlmF::empty(), tcmsg(name)?)
        .with_context(|| format!("{name} keeps its netem"))?;
    Ok(())
}

/// A message on the outermost queue of a device.
fn tcmsg(name: &str) -> Result<Body> {
    const TC_H_ROOT: u32 = u32::MAX;
    let mut header = [0; 20];
    header[4..8].copy_from_slice(&index(name)?.to_ne_bytes());
    header[12..16].copy_from_slice(&TC_H_ROOT.to_ne_bytes());
    Ok(Body::new(&header))
}

/// The address of guest `node` on the network between two guests.
pub fn address(node: u8, v6: bool) -> IpAddr {
    let host = node + 1;
    match v6 {
        false => Ipv4Addr::new(10, 99, 0, host).into(),
        true => Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

/// Sets up `eth0` as that of guest `node`.
pub fn join(node: u8) -> Result<()> {
    up("eth0")?;
    add_address("eth0", address(node, false), 24)?;
    add_address("eth0", address(node, true), 64)
}

/// Puts a soft-RoCE device on `eth0`: what `rdma link add rxe0 type rxe` does.
pub fn add_rxe() -> Result<()> {
    const RDMA_NL_NLDEV_NEWLINK: u16 = 5 << 10 | 3;
    const DEV_NAME: u16 = 2;
    const NDEV_NAME: u16 = 51;
    const LINK_TYPE: u16 = 65;
    let body = Body::new(&[])
        .string(DEV_NAME, "rxe0")?
        .string(LINK_TYPE, "rxe")?
        .string(NDEV_NAME, "eth0")?;
    request(NlFamily::Rdma, RDMA_NL_NLDEV_NEWLINK, NlmF::empty(), body)
        .context("no soft-RoCE device: is rdma_rxe.ko loaded?")?;
    Ok(())
}
