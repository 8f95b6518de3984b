// SPDX-License-Identifier: GPL-2.0
//! Options that are shorter than four bytes, and ioctls about interfaces.

use super::Question;
use super::Tells::Either;
use super::Tells::Other;
use super::place::Pair;
use super::place::Place;
use anyhow::Result;
use nix::errno::Errno;
use socket2::Socket;
use std::os::fd::AsRawFd;

pub const QUESTIONS: [Question; 2] = [
    ("options shorter than four bytes", Other, short),
    ("ioctls about interfaces", Either, interfaces),
];

/// `setsockopt(2)`.
fn set(socket: &Socket, level: i32, name: i32, value: &[u8]) -> String {
    // SAFETY: The slice is readable, as long as it is.
    let answer = unsafe {
        let length = value.len() as libc::socklen_t;
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            length,
        )
    };
    format!("{:?}", Errno::result(answer))
}

/// `getsockopt(2)` into four bytes.
fn get(socket: &Socket, level: i32, name: i32) -> String {
    let mut value = [0u8; 4];
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: Both are writable, and the length is the array's.
    let answer = unsafe {
        let to = value.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, to, &mut length)
    };
    format!("{:?} {value:?} {length}", Errno::result(answer))
}

/// A socket of each kind: connected, accepted, new, listening.
fn each(place: &Place) -> Result<[Socket; 4]> {
    let Pair { client, server } = place.pair()?;
    Ok([client, server, place.client()?, place.listener()?])
}

fn short(place: &Place) -> Result<String> {
    let mut said = Vec::new();
    for socket in &each(place)? {
        said.push(set(socket, libc::IPPROTO_TCP, libc::TCP_CONGESTION, b"xyz"));
        said.push(set(socket, libc::IPPROTO_TCP, libc::TCP_CONGESTION, b""));
        said.push(set(socket, libc::IPPROTO_IP, libc::IP_TOS, &[0x10]));
        said.push(get(socket, libc::IPPROTO_IP, libc::IP_TOS));
        said.push(set(socket, libc::IPPROTO_IP, libc::IP_TTL, &[77, 0]));
        said.push(get(socket, libc::IPPROTO_IP, libc::IP_TTL));
        said.push(set(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, &[1]));
        said.push(set(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &[1]));
    }
    Ok(format!("{said:?}"))
}

fn interfaces(place: &Place) -> Result<String> {
    let mut said = Vec::new();
    for socket in &each(place)? {
        for request in [libc::SIOCGIFADDR, libc::SIOCGIFNETMASK, libc::SIOCGIFMTU] {
            // SAFETY: All zeroes are a request like any that C defines.
            let mut asked: libc::ifreq = unsafe { std::mem::zeroed() };
            asked.ifr_name[..2].copy_from_slice(&[b'l' as _, b'o' as _]);
            // SAFETY: What these ioctls read and write.
            let answer = unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &mut asked) };
            // SAFETY: An address or a number, both of plain bytes.
            let bytes = unsafe { asked.ifr_ifru.ifru_addr.sa_data };
            said.push(format!("{:?} {bytes:?}", Errno::result(answer)));
        }
    }
    Ok(format!("{said:?}"))
}
