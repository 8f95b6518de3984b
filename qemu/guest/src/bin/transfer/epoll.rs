// SPDX-License-Identifier: GPL-2.0
//! Non-blocking sockets and edge-triggered epoll, as event loops use them.

use crate::Done;
use crate::Job;
use crate::linger;
use crate::pattern::BLOCK;
use crate::pattern::Expected;
use crate::pattern::Side;
use crate::pattern::Source;
use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::epoll::Epoll;
use nix::sys::epoll::EpollCreateFlags;
use nix::sys::epoll::EpollEvent;
use nix::sys::epoll::EpollFlags;
use nix::sys::epoll::EpollTimeout;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::Backlog;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::bind;
use nix::sys::socket::connect;
use nix::sys::socket::listen;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt::ReuseAddr;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// Connects, and moves everything.
pub fn run(job: &Job) -> Result<Done> {
    let stream = match job.side {
        Side::Client => client(job.address)?,
        Side::Server => server(job)?,
    };
    linger(&stream)?;
    let mut expected = job.expected();
    exchange(&stream, job.source(), &mut expected)?;
    let (received, sum) = expected.end();
    Ok(Done {
        stream,
        received,
        sum,
    })
}

fn nonblocking(address: SocketAddr) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, SockType::Stream, flags, None).context("socket")
}

/// Waits until `fd` is ready for what `interest` names.
fn wait(fd: impl AsFd, interest: EpollFlags) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(fd, EpollEvent::new(interest, 0))?;
    let mut events = [EpollEvent::empty()];
    while let Err(Errno::EINTR) = epoll.wait(&mut events, EpollTimeout::NONE) {}
    Ok(())
}

fn client(address: SocketAddr) -> Result<TcpStream> {
    let socket = nonblocking(address)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(e) => return Err(e).context("connect"),
    }
    wait(&socket, EpollFlags::EPOLLOUT)?;
    let stream = TcpStream::from(socket);
    match stream.take_error()? {
        Some(e) => Err(e).context("connect, later"),
        None => Ok(stream),
    }
}

fn server(job: &Job) -> Result<TcpStream> {
    let socket = nonblocking(job.address)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(job.address)).context("bind")?;
    listen(&socket, Backlog::new(8)?).context("listen")?;
    let listener = TcpListener::from(socket);
    job.listening(listener.local_addr()?);
    loop {
        wait(&listener, EpollFlags::EPOLLIN)?;
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e).context("accept"),
        }
    }
}

/// Edge-triggered: both directions go on until the kernel says to wait.
fn exchange(stream: &TcpStream, mut source: Source, expected: &mut Expected) -> Result<()> {
    let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(stream, EpollEvent::new(interest | EpollFlags::EPOLLET, 0))?;
    let mut buffer = vec![0; BLOCK];
    let (mut sent, mut shut, mut ended) = (false, false, false);
    loop {
        if !sent {
            sent = push(stream, &mut source)?;
        }
        if !ended {
            ended = pull(stream, expected, &mut buffer)?;
        }
        // It may wait for the other side to receive, which may do the same.
        if sent && !shut && expected.is_complete() {
            stream.shutdown(Shutdown::Write).context("shutdown")?;
            shut = true;
        }
        if shut && ended {
            break;
        }
        let mut events = [EpollEvent::empty()];
        while let Err(Errno::EINTR) = epoll.wait(&mut events, EpollTimeout::NONE) {}
    }
    Ok(())
}

/// Sends what goes now. True: everything is gone.
fn push(mut stream: &TcpStream, source: &mut Source) -> Result<bool> {
    while !source.next().is_empty() {
        match stream.write(source.next()) {
            Ok(n) => source.advance(n),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e).context("write"),
        }
    }
    Ok(true)
}

/// Receives what is there now. True: that was the end.
fn pull(mut stream: &TcpStream, expected: &mut Expected, buffer: &mut [u8]) -> Result<bool> {
    loop {
        match stream.read(buffer) {
            Ok(n) if expected.take(&buffer[..n])? => return Ok(true),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e).context("read"),
        }
    }
}
