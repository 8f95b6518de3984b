// SPDX-License-Identifier: GPL-2.0
//! The guest's network: links up, addresses, a soft-RoCE device.

use crate::netlink::Body;
use crate::netlink::request;
use anyhow::Context;
use anyhow::Result;
use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use nix::net::if_::if_nametoindex;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;

fn index(name: &str) -> Result<u32> {
    if_nametoindex(name).with_context(|| format!("no network device {name}"))
}

/// Sets a device up.
pub fn up(name: &str) -> Result<()> {
    let mut header = [0; 16];
    let flags = (libc::IFF_UP as u32).to_ne_bytes();
    header[4..8].copy_from_slice(&index(name)?.to_ne_bytes());
    header[8..12].copy_from_slice(&flags);
    header[12..16].copy_from_slice(&flags);
    let body = Body::new(&header);
    request(NlFamily::Route, RTM_NEWLINK, NlmF::empty(), body)
        .with_context(|| format!("{name} does not come up"))?;
    Ok(())
}

/// Gives a device an address. IPv6 is usable at once: no other guest has it.
pub fn add_address(name: &str, address: IpAddr, prefix: u8) -> Result<()> {
    let (family, flags, bytes) = match address {
        IpAddr::V4(a) => (libc::AF_INET, 0, a.octets().to_vec()),
        IpAddr::V6(a) => (libc::AF_INET6, IFA_F_NODAD, a.octets().to_vec()),
    };
    let mut header = vec![family as u8, prefix, flags, 0];
    header.extend(index(name)?.to_ne_bytes());
    let body = Body::new(&header)
        .attr(IFA_LOCAL, &bytes)?
        .attr(IFA_ADDRESS, &bytes)?;
    request(
        NlFamily::Route,
        RTM_NEWADDR,
        NlmF::CREATE | NlmF::EXCL,
        body,
    )
    .with_context(|| format!("{name} does not take {address}/{prefix}"))?;
    Ok(())
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
