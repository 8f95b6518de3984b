// SPDX-License-Identifier: GPL-2.0
//! io_uring for everything, the socket's creation included.

use crate::Done;
use crate::Job;
use crate::linger;
use crate::pattern::BLOCK;
use crate::pattern::Expected;
use crate::pattern::Side;
use crate::pattern::Source;
use anyhow::Context;
use anyhow::Result;
use io_uring::IoUring;
use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use nix::sys::socket::SockaddrLike;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReuseAddr;
use std::io::Error;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

const SEND: u64 = 1;
const RECEIVE: u64 = 2;
const SHUTDOWN: u64 = 3;

/// Connects, and moves everything.
pub fn run(job: &Job) -> Result<Done> {
    let mut ring = IoUring::new(8).context("no io_uring")?;
    let stream = match job.side {
        Side::Client => client(&mut ring, job)?,
        Side::Server => server(&mut ring, job)?,
    };
    linger(&stream)?;
    let mut expected = job.expected();
    exchange(&mut ring, &stream, job.source(), &mut expected)?;
    let (received, sum) = expected.end();
    Ok(Done {
        stream,
        received,
        sum,
    })
}

/// Submits one operation and waits for its result.
fn complete(ring: &mut IoUring, entry: Entry, what: &'static str) -> Result<i32> {
    // SAFETY: the caller's operands outlive this call, and so the operation.
    unsafe { ring.submission().push(&entry)? };
    ring.submit_and_wait(1)?;
    let result = ring.completion().next().context("no completion")?.result();
    match result {
        0.. => Ok(result),
        _ => Err(Error::from_raw_os_error(-result)).context(what),
    }
}

fn socket(ring: &mut IoUring, job: &Job) -> Result<OwnedFd> {
    let family = match job.address.is_ipv4() {
        true => libc::AF_INET,
        false => libc::AF_INET6,
    };
    let entry = opcode::Socket::new(family, libc::SOCK_STREAM, 0).build();
    let fd = complete(ring, entry, "socket")?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn client(ring: &mut IoUring, job: &Job) -> Result<TcpStream> {
    let socket = socket(ring, job)?;
    let address = SockaddrStorage::from(job.address);
    let fd = Fd(socket.as_raw_fd());
    let entry = opcode::Connect::new(fd, address.as_ptr(), address.len()).build();
    complete(ring, entry, "connect")?;
    Ok(TcpStream::from(socket))
}

fn server(ring: &mut IoUring, job: &Job) -> Result<TcpStream> {
    let socket = socket(ring, job)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    let address = SockaddrStorage::from(job.address);
    let fd = Fd(socket.as_raw_fd());
    let entry = opcode::Bind::new(fd, address.as_ptr(), address.len()).build();
    complete(ring, entry, "bind")?;
    complete(ring, opcode::Listen::new(fd, 8).build(), "listen")?;
    let listener = TcpListener::from(socket);
    job.listening(listener.local_addr()?);
    let none = std::ptr::null_mut();
    let entry = opcode::Accept::new(fd, none, std::ptr::null_mut()).build();
    let accepted = complete(ring, entry, "accept")?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { TcpStream::from_raw_fd(accepted) })
}

/// Keeps one send and one receive under way until both directions have ended.
fn exchange(
    ring: &mut IoUring,
    stream: &TcpStream,
    mut source: Source,
    expected: &mut Expected,
) -> Result<()> {
    let fd = Fd(stream.as_raw_fd());
    let mut buffer = vec![0; BLOCK];
    let mut under_way = 0;
    submit(ring, send(fd, source.next()))?;
    submit(ring, receive(fd, &mut buffer))?;
    under_way += 2;
    while under_way > 0 {
        ring.submit_and_wait(1)?;
        let Some(completion) = ring.completion().next() else {
            continue;
        };
        under_way -= 1;
        let n = completion.result();
        let n = usize::try_from(n).map_err(|_| Error::from_raw_os_error(-n));
        match completion.user_data() {
            SEND => {
                source.advance(n.context("send")?);
                match source.next() {
                    // It waits for what is under way, and must not keep us from receiving.
                    [] => submit(ring, shutdown(fd))?,
                    bytes => submit(ring, send(fd, bytes))?,
                }
            }
            SHUTDOWN => {
                n.context("shutdown")?;
                continue;
            }
            _ => {
                if expected.take(&buffer[..n.context("receive")?])? {
                    continue;
                }
                submit(ring, receive(fd, &mut buffer))?;
            }
        }
        under_way += 1;
    }
    Ok(())
}

fn send(fd: Fd, bytes: &[u8]) -> Entry {
    let entry = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32);
    entry.build().user_data(SEND)
}

fn shutdown(fd: Fd) -> Entry {
    let entry = opcode::Shutdown::new(fd, libc::SHUT_WR);
    entry.build().user_data(SHUTDOWN)
}

fn receive(fd: Fd, buffer: &mut [u8]) -> Entry {
    let entry = opcode::Recv::new(fd, buffer.as_mut_ptr(), buffer.len() as u32);
    entry.build().user_data(RECEIVE)
}

fn submit(ring: &mut IoUring, entry: Entry) -> Result<()> {
    // SAFETY: `exchange` owns both buffers, and neither moves nor is touched before the
    // operation has completed; where it gives up before, the program ends at once.
    unsafe { ring.submission().push(&entry)? };
    Ok(())
}
