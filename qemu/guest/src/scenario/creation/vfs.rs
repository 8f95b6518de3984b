// SPDX-License-Identifier: GPL-2.0
//! One socket, one inode: from its creation to its end a socket's file, dentry and inode
//! are the same objects, whichever way one looks. What replaces one of them is caught.

use super::switch::open;
use crate::diag;
use crate::program::descriptor::Inode;
use crate::program::descriptor::fdinfo;
use crate::program::descriptor::path_of;
use crate::scenario::Report;
use crate::scenario::data::transfer::LOOPBACKS;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use nix::sys::stat::fstat;
use socket2::Socket;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// A socket, a second way to its inode, and what both were at first.
struct Watched {
    name: &'static str,
    /// Whether SMC_DIAG must know it.
    smc: bool,
    socket: Socket,
    path: File,
    inode: u64,
    device: u64,
}

impl Watched {
    fn new(name: &'static str, smc: bool, socket: Socket) -> Result<Self> {
        let stat = fstat(&socket)?;
        Ok(Self {
            name,
            smc,
            path: path_of(&socket)?,
            socket,
            inode: stat.st_ino,
            device: stat.st_dev,
        })
    }

    /// Every name of the socket's inode is the first one.
    fn agrees(&self) -> Result<()> {
        self.descriptor("the socket", self.socket.as_fd())?;
        self.descriptor("the O_PATH descriptor", self.path.as_fd())?;
        let known = diag::socket(self.inode)?.is_some();
        same(
            &format!("{}: known to SMC_DIAG", self.name),
            self.smc,
            known,
        )
    }

    fn descriptor(&self, what: &str, fd: impl AsFd) -> Result<()> {
        let found = (Inode::of(&fd)?, fstat(fd)?.st_dev);
        let expected = (Inode::all(self.inode), self.device);
        same(&format!("{}: {what}", self.name), expected, found)
    }

    /// Closes the socket: the O_PATH descriptor must hold on to the inode that it had.
    fn close(self) -> Result<()> {
        let Self {
            name,
            socket,
            path,
            inode,
            ..
        } = self;
        drop(socket);
        same(
            &format!("{name}: fdinfo after close"),
            inode,
            fdinfo(&path)?,
        )?;
        same(
            &format!("{name}: fstat after close"),
            inode,
            fstat(&path)?.st_ino,
        )
    }
}

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let smcify = Smcify::load()?;
    for ip in LOOPBACKS {
        life(report, &smcify, "smc", ip)?;
        // A listener that is a TCP socket: its client has to fall back.
        life(report, &smcify, "tcp", ip)?;
    }
    Ok(())
}

/// The sockets of one connection.
#[derive(Default)]
struct Sockets(Vec<Watched>);

impl Sockets {
    /// Reports whether all sockets are still what they were.
    fn after(&self, report: &mut Report, life: &str, step: &str) {
        let all = self.0.iter().try_for_each(Watched::agrees);
        report.check(format!("{life}: {step}"), all);
    }

    fn add(&mut self, name: &'static str, smc: bool, socket: Socket) -> Result<Socket> {
        let handle = socket.try_clone()?;
        self.0.push(Watched::new(name, smc, socket)?);
        Ok(handle)
    }
}

fn stream(ip: IpAddr) -> std::io::Result<Socket> {
    let family = match ip.is_ipv4() {
        true => libc::AF_INET,
        false => libc::AF_INET6,
    };
    open(family, libc::SOCK_STREAM, 0)
}

/// From creation to close, with a listener that is made while `default` is as given.
fn life(report: &mut Report, smcify: &Smcify, listener_default: &str, ip: IpAddr) -> Result<()> {
    let name = format!("listener made with default={listener_default}, {ip}");
    let smc = listener_default == "smc";
    let mut all = Sockets::default();
    smcify.set_default(listener_default)?;
    let listener = all.add("listener", smc, stream(ip)?)?;
    smcify.set_default("smc")?;
    let client = all.add("client", true, stream(ip)?)?;
    all.after(report, &name, "creation");

    listener
        .bind(&SocketAddr::new(ip, 0).into())
        .context("bind")?;
    client
        .bind(&SocketAddr::new(ip, 0).into())
        .context("bind")?;
    all.after(report, &name, "bind");
    listener.listen(8).context("listen")?;
    all.after(report, &name, "listen");
    client.connect(&listener.local_addr()?).context("connect")?;
    all.after(report, &name, "connect");
    let accepted = all.add("accepted", smc, listener.accept().context("accept")?.0)?;
    all.after(report, &name, "accept");

    say(&client, &accepted)?;
    say(&accepted, &client)?;
    all.after(report, &name, "data both ways");
    client.shutdown(Shutdown::Write).context("shutdown")?;
    all.after(report, &name, "shutdown of one way");
    let ended = (&accepted).read(&mut [0])?;
    report.check(format!("{name}: the end is seen"), same("read", 0, ended));
    accepted.shutdown(Shutdown::Both).context("shutdown")?;
    all.after(report, &name, "shutdown of both");

    drop((listener, client, accepted));
    let closed = all.0.into_iter().try_for_each(Watched::close);
    report.check(format!("{name}: close"), closed);
    Ok(())
}

fn say(mut from: &Socket, mut to: &Socket) -> Result<()> {
    let mut heard = [0; 5];
    from.write_all(b"hello").context("write")?;
    to.read_exact(&mut heard).context("read")?;
    same("what was heard", b"hello", &heard)
}
