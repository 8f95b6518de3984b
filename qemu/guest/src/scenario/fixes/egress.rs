// SPDX-License-Identifier: GPL-2.0
//! The device that a connection leaves by is deleted while SMC's `connect()` works on it.
//!
//! Three functions of Linux 6.16 take `dst->dev` of the connection's socket and then wait for
//! RTNL with the bare pointer. [`race`] makes the wait as long as the device lives: holding
//! RTNL, it queues the delete, then RTNL for itself once more, then the call, and lets go. The
//! delete comes first and takes the device off the kernel's lists; it frees it while RTNL is
//! held anew and the call waits. Then the call has its turn, and reads what was freed, unless
//! someone held the device for it.

use crate::kernel::net;
use crate::kernel::netns::Netns;
use crate::kernel::smc::NoDevice;
use crate::kernel::task::Task;
use crate::scenario::Report;
use crate::scenario::creation::switch::IPPROTO_SMC;
use crate::scenario::fixes::locks::Hold;
use crate::scenario::fixes::locks::Locks;
use crate::scenario::fixes::locks::RTNL;
use crate::scenario::fixes::locks::SMCD;
use crate::smcify::Smcify;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

/// The two ends of the way, and the port at the second.
const VETH: &str = "veth0";
const PEER: &str = "veth1";
const VLAN: u16 = 7;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
const PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 2);
const PORT: u16 = 9876;
/// More connections than any scenario makes at once.
const BACKLOG: i32 = 64;

/// Where `connect()` looks at the list of SMC-D devices: inlined.
pub const BEFORE: &str = "__smc_connect";

/// Longer than a delete takes that nobody delays.
const LONG: Duration = Duration::from_millis(500);

/// A function that works on a device which may be gone.
pub struct Case {
    pub function: &'static str,
    /// Whether the connection leaves by a VLAN of the veth device.
    pub vlan: bool,
    /// A lock that `connect()` takes before `function`, and the only chance to let it past
    /// the functions that want RTNL earlier.
    pub before: Option<&'static str>,
}

/// `smc_vlan_by_tcpsk()`, the first of `connect()` to want RTNL.
pub const BY_TCPSK: Case = Case {
    function: "smc_vlan_by_tcpsk",
    vlan: false,
    before: None,
};

/// `smc_pnet_find_ism_resource()`, the next. On a VLAN it is the first: there,
/// `smc_vlan_by_tcpsk()` knows without RTNL.
pub const FIND_ISM: Case = Case {
    function: "smc_pnet_find_ism_resource",
    vlan: true,
    before: None,
};

/// `smc_pnet_find_roce_resource()`, called twice: for SMC-R V1, and for V2 after a look at the
/// list of SMC-D devices, where it can be stopped.
pub const FIND_ROCE: Case = Case {
    function: "smc_pnet_find_roce_resource",
    vlan: false,
    before: Some(SMCD),
};

/// Deletes the device while a call is inside the function of `case`.
pub fn race(report: &mut Report, case: &Case, with: bool) -> Result<()> {
    let smcify = with.then(Smcify::load).transpose()?;
    if let Some(smcify) = &smcify {
        report.check("the fix is active", smcify.has_fixed(case.function));
    }
    // Then connect() ends by itself, and does not ask a peer that cannot be reached any more.
    let _hidden = NoDevice::hide()?;
    let path = Path::lay(case.vlan)?;
    let locks = Locks::load()?;

    let Queue { call, delete, last } = Queue::line_up(case, &path, &locks)?;
    if with {
        // For references to go, or for RTNL, to remind those who have them.
        delete.until_asleep_right_in(&["msleep", "netdev_run_todo"])?;
        sleep(LONG);
        let waits = not(delete.is_done(), "it is done");
        report.check("the delete waits for the call", waits);
    } else {
        let done = delete.until_done("the delete");
        report.check("the delete is done while the call waits", done);
    }
    let waits = call.until_asleep_in(case.function);
    report.check("the call still waits for RTNL", waits);
    drop(last);
    report.check("the call returns", call.result("connect()")?);
    report.check("the delete completes", delete.result("the delete")?);
    report.check("the device is gone", not(path.is_there(), "it is there"));
    Ok(())
}

fn not(wrong: bool, why: &'static str) -> Result<()> {
    ensure!(!wrong, why);
    Ok(())
}

/// Who waits for RTNL, in this order: the delete, this scenario, the call.
struct Queue {
    delete: Task<Result<()>>,
    last: Hold,
    call: Task<Result<()>>,
}

impl Queue {
    /// Lines them up behind RTNL, then lets go of it until it is `last`'s turn.
    fn line_up(case: &Case, path: &Path, locks: &Locks) -> Result<Self> {
        let early = match case.before {
            None => None,
            Some(lock) => {
                let hold = locks.take(lock)?;
                let call = Task::start(connect)?;
                call.until_asleep_right_in(&[BEFORE])?;
                Some((hold, call))
            }
        };
        let first = locks.take(RTNL)?;
        let egress = path.egress;
        let delete = Task::start(move || net::delete(egress))?;
        delete.until_asleep_in("rtnl_dellink")?;
        let last = locks.queue(RTNL)?;
        let call = match early {
            None => Task::start(connect)?,
            Some((hold, call)) => {
                drop(hold);
                call
            }
        };
        call.until_asleep_in(case.function)?;
        drop(first);
        last.until_held()?;
        Ok(Self { delete, last, call })
    }
}

/// Connects an SMC socket to the peer, and resets the connection.
pub fn connect() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
    socket.set_linger(Some(Duration::ZERO))?;
    let peer = SocketAddr::from((PEER_ADDRESS, PORT));
    socket.connect(&peer.into()).context("connect()")
}

/// A way to a peer that listens in a network namespace of its own.
pub struct Path {
    /// The device that connections leave by: its name and its index.
    device: String,
    pub egress: u32,
    _peer: Socket,
}

impl Path {
    /// Lays it, by VLAN devices if wanted.
    pub fn lay(vlan: bool) -> Result<Self> {
        let netns = Netns::new()?;
        net::add_veth(VETH, PEER, &netns)?;
        let peer = netns.run(|| {
            end(PEER, vlan, PEER_ADDRESS)?;
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(IPPROTO_SMC.into()))?;
            socket.bind(&SocketAddr::from((PEER_ADDRESS, PORT)).into())?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        })?;
        let device = end(VETH, vlan, ADDRESS)?;
        Ok(Self {
            egress: net::index(&device)?,
            device,
            _peer: peer,
        })
    }

    fn is_there(&self) -> bool {
        net::index(&self.device).is_ok()
    }
}

impl Drop for Path {
    /// Takes away what is left of it.
    fn drop(&mut self) {
        let Ok(veth) = net::index(VETH) else { return };
        if let Err(e) = net::delete(veth) {
            eprintln!("{VETH} stays: {e:#}");
        }
    }
}

/// Sets one end up, and returns the device that has the address.
fn end(veth: &str, vlan: bool, address: Ipv4Addr) -> Result<String> {
    net::without_ipv6(veth)?;
    net::up(veth)?;
    let device = match vlan {
        false => veth.to_owned(),
        true => {
            let device = format!("{veth}.{VLAN}");
            net::add_vlan(&device, veth, VLAN)?;
            net::without_ipv6(&device)?;
            net::up(&device)?;
            device
        }
    };
    net::add_address(&device, address.into(), 24)?;
    Ok(device)
}
