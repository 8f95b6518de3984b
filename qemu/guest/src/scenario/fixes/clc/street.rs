// SPDX-License-Identifier: GPL-2.0
//! A listener in the guest's own namespace, a client's namespace, and the way between them.

use super::model;
use crate::kernel::bpf::syn_option::SynOption;
use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::kernel::task::Task;
use crate::kernel::task::stay;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::open;
use crate::scenario::fixes::clc::client::Answer;
use crate::scenario::fixes::clc::client::ask;
use anyhow::Context;
use anyhow::Result;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use socket2::Socket;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The listener's end of the way, and the client's.
pub const DEVICE: &str = "clc0";
const PEER: &str = "clc1";

/// Longer than the kernel waits for the rest of a message (`CLC_WAIT_TIME`).
const PATIENCE: Duration = Duration::from_secs(8);
const BACKLOG: i32 = 256;

/// All that a client needs, until dropped.
pub struct Street {
    /// Where the client lives.
    pub client: Netns,
    /// The listener's port, at all addresses.
    pub port: u16,
    /// Who takes what the listener accepts, until it is waited for.
    listening: Option<Task<Result<u64>>>,
    over: Arc<AtomicBool>,
    turn: AtomicUsize,
    _option: SynOption,
}

impl Street {
    /// Builds it.
    pub fn build() -> Result<Self> {
        let client = Netns::new()?;
        net::add_veth(DEVICE, PEER, &client)?;
        for &(address, peer, length) in &model::DEVICE {
            net::add_peer_address(DEVICE, address, peer, length)?;
        }
        net::up(DEVICE)?;
        client.run(|| {
            for (address, length) in model::CLIENT {
                net::add_address(PEER, address, length)?;
            }
            net::up(PEER)
        })?;
        let listener = open(libc::AF_INET6, libc::SOCK_STREAM, IPPROTO_SMC)?;
        listener.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        listener.listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?.as_socket();
        let port = at.context("the listener has no address")?.port();
        let over = Arc::new(AtomicBool::new(false));
        let listening = {
            let over = over.clone();
            Task::start(move || serve(&listener, &over))?
        };
        Ok(Self {
            client,
            port,
            listening: Some(listening),
            over,
            turn: AtomicUsize::new(0),
            _option: SynOption::attach()?,
        })
    }

    /// Where the client reaches the listener, by one family and the other in turn.
    pub fn next_address(&self) -> IpAddr {
        model::LISTENER[self.turn.fetch_add(1, Relaxed) % 2]
    }

    /// Proposes, from the namespace of the calling thread, to the listener at `address`.
    ///
    /// The thread stays on its processor. Linux 6.16, unlike 7.2, takes a request off the table of
    /// connections before it puts the new socket there (`inet_ehash_insert()`): a Proposal that
    /// another processor receives just then, right behind the client's last ACK, belongs to
    /// nobody, and is answered by a reset. It happened once in about 15,000 connections.
    pub fn ask(&self, address: IpAddr, message: &[u8]) -> Result<Answer> {
        stay()?;
        ask(SocketAddr::new(address, self.port), message, PATIENCE)
    }

    /// Takes it down; fails if the listener did, or if something keeps the device.
    pub fn close(mut self) -> Result<()> {
        self.over.store(true, Relaxed);
        if let Some(listening) = self.listening.take() {
            listening.result("the listener")??;
        }
        let device = net::index(DEVICE)?;
        // Which waits for every reference.
        let delete = Task::start(move || net::delete(device))?;
        delete.result("the delete")?
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let Ok(device) = net::index(DEVICE) else {
            return;
        };
        if let Err(e) = net::delete(device) {
            eprintln!("clc: {DEVICE} stays: {e:#}");
        }
    }
}

/// Accepts and closes until all is over, and returns how often.
fn serve(listener: &Socket, over: &AtomicBool) -> Result<u64> {
    let mut accepted = 0;
    while !over.load(Relaxed) {
        let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut asked, PollTimeout::from(100_u8))?;
        // What went wrong before it was accepted is in the queue as well.
        while listener.accept().is_ok() {
            accepted += 1;
        }
    }
    Ok(accepted)
}
