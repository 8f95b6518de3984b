// SPDX-License-Identifier: GPL-2.0
//! The removed ULP and an `O_PATH` descriptor. The ULP exchanges the inode below a socket's
//! `struct file` and dentry; who has the dentry open in another way keeps the old one, of
//! which nobody knows that it is in use.

use crate::diag;
use crate::diag::Carrier;
use crate::kernel::ulp;
use crate::program::descriptor::Inode;
use crate::program::descriptor::fdinfo;
use crate::program::descriptor::path_of;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::creation::switch::IPPROTO_TCP;
use crate::scenario::creation::switch::open;
use crate::scenario::data::fallback::PEER_NO_SMC;
use crate::scenario::fixes::rcu;
use crate::scenario::same;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Error;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sys::stat::fstat;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;
use rand_xoshiro::rand_core::SeedableRng;
use socket2::Socket;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread::scope;
use std::time::Duration;

/// Each way over the socket: more than fits into its buffers.
const BYTES: usize = 1 << 20;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the program meets.
struct Meets {
    /// How the ULP is answered.
    answer: Result<(), Errno>,
    /// The protocol of its socket while it talks, and what SMC_DIAG says of it.
    talks: (i32, Option<Carrier>),
}

/// The scenario, without smcify or with it.
pub fn opath(report: &mut Report, with: bool) -> Result<()> {
    if !with {
        let meets = Meets {
            answer: Ok(()),
            talks: (IPPROTO_TCP, Some(PEER_NO_SMC)),
        };
        return program(report, &meets);
    }
    let smcify = Smcify::load()?;
    report.check("smcify is in force", smcify.has_fixed(ulp::INIT));
    for (default, talks) in [
        ("tcp", (IPPROTO_TCP, None)),
        ("smc", (IPPROTO_SMC, Some(Carrier::SmcD))),
    ] {
        smcify.set_default(default)?;
        let meets = Meets {
            answer: ulp::REFUSED,
            talks,
        };
        report.group(&format!("default={default}"), |report| {
            if let Err(e) = program(report, &meets) {
                report.check("runs to its end", Err(e));
            }
        });
    }
    Ok(())
}

/// The program. It has a second way to its socket's inode, asks for the ULP, takes what it
/// gets, talks, closes the socket, and looks at what is left.
fn program(report: &mut Report, meets: &Meets) -> Result<()> {
    let listener = stream()?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(1)?;
    let socket = stream()?;
    let path = path_of(&socket)?;
    let names = || Ok::<_, Error>([Inode::of(&socket)?, Inode::of(&path)?]);
    let old = fstat(&socket)?.st_ino;
    let agree = [Inode::all(old); 2];
    report.check(
        "the socket and its O_PATH descriptor are one inode",
        same("inode", agree, names()?),
    );

    let answer = ulp::ask(&socket);
    report.check(
        match meets.answer {
            Ok(()) => "TCP_ULP \"smc\" is taken",
            Err(_) => "TCP_ULP \"smc\" is refused",
        },
        same("setsockopt", meets.answer, answer),
    );
    match meets.answer {
        Ok(()) => report.check(
            "inode numbers disagree: the file of the O_PATH descriptor has the old one",
            swapped(old, names()?),
        ),
        Err(_) => report.check("inode numbers agree", same("inode", agree, names()?)),
    }

    let peer = connected(&socket, &listener)?;
    let talked = both_ways(&socket, &peer);
    report.check(
        format!("{BYTES} bytes each way on that very socket"),
        talked,
    );
    let carrier = diag::socket(fstat(&socket)?.st_ino)?.map(|it| it.carrier);
    let protocol = socket.protocol()?.map_or(0, i32::from);
    report.check(
        "what carried them",
        same("protocol and carrier", meets.talks, (protocol, carrier)),
    );

    drop((peer, socket, listener));
    rcu::barrier()?;
    let left = (fdinfo(&path)?, fstat(&path)?.st_ino);
    match meets.answer {
        // What the kernel has just read was freed: KASAN's reports are the check.
        Ok(()) => report.note(format!("fdinfo and fstat after close: {left:?}")),
        Err(_) => report.check(
            "the inode outlives the socket",
            same("fdinfo and fstat", (old, old), left),
        ),
    }
    drop(path);
    Ok(())
}

fn stream() -> std::io::Result<Socket> {
    open(libc::AF_INET, libc::SOCK_STREAM, 0)
}

/// The dentry, which both share, and the socket's file have the inode of the SMC socket; the
/// other file has that of the TCP socket.
pub fn swapped(old: u64, found: [Inode; 2]) -> Result<()> {
    let new = found[0].fstat;
    ensure!(new != old, "the inode is still {old}");
    let path = Inode {
        fdinfo: old,
        ..Inode::all(new)
    };
    same("inode", [Inode::all(new), path], found)
}

/// Connects `socket`, and returns its peer.
fn connected(socket: &Socket, listener: &Socket) -> Result<Socket> {
    socket.connect(&listener.local_addr()?).context("connect")?;
    Ok(listener.accept().context("accept")?.0)
}

/// Sends what no one can guess, and expects it at the other end.
pub fn both_ways(one: &Socket, other: &Socket) -> Result<()> {
    for end in [one, other] {
        end.set_read_timeout(Some(PATIENCE))?;
        end.set_write_timeout(Some(PATIENCE))?;
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(BYTES as u64);
    for (from, to) in [(one, other), (other, one)] {
        let mut sent = vec![0; BYTES];
        random.fill_bytes(&mut sent);
        let mut received = vec![0; BYTES];
        scope(|threads| {
            let sending = threads.spawn(|| { from }.write_all(&sent));
            { to }.read_exact(&mut received).context("read")?;
            let sending = sending.join();
            sending
                .map_err(|_| anyhow!("write panicked"))?
                .context("write")
        })?;
        ensure!(sent == received, "other bytes arrive");
    }
    Ok(())
}
