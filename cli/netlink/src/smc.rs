// SPDX-License-Identifier: GPL-2.0
//! SMC's settings, devices and counters: the generic netlink family SMC_GEN_NETLINK.
//! Names and numbers are those of the kernel's `include/uapi/linux/smc.h`.

use crate::reason::Reason;
use crate::request::Attributes;
use crate::request::attrs;
use crate::request::dump;
use crate::request::generic;
use anyhow::Result;
use anyhow::ensure;

const GENL: &str = "SMC_GEN_NETLINK";
const GET_SYS_INFO: u8 = 1;
const GET_LGR_SMCR: u8 = 2;
const GET_DEV_SMCD: u8 = 5;
const GET_DEV_SMCR: u8 = 6;
const GET_STATS: u8 = 7;
const GET_FBACK_STATS: u8 = 8;
const DUMP_UEID: u8 = 9;
const ADD_UEID: u8 = 10;
const REMOVE_UEID: u8 = 11;
const DUMP_SEID: u8 = 13;

/// Longest EID, in bytes.
pub const EID_LEN: usize = 32;
/// As many user EIDs as the kernel keeps.
pub const UEIDS: usize = 4;

/// An EID as the kernel takes it: space padded, then a NUL.
fn padded(eid: &str) -> Result<Vec<u8>> {
    ensure!(
        (1..=EID_LEN).contains(&eid.len()),
        "user EID {eid:?} is {} bytes long; 1 to {EID_LEN} are allowed",
        eid.len()
    );
    Ok(format!("{eid:<EID_LEN$}\0").into_bytes())
}

/// Adds a user EID. EEXIST if it is there, ERANGE if the table is full.
pub fn add_ueid(eid: &str) -> Result<()> {
    generic(GENL, ADD_UEID, &[(EID_ENTRY, &padded(eid)?)])
}

/// Takes a user EID away again. ENOENT if it is not there.
pub fn remove_ueid(eid: &str) -> Result<()> {
    generic(GENL, REMOVE_UEID, &[(EID_ENTRY, &padded(eid)?)])
}

const EID_ENTRY: u16 = 1;
const SEID_ENABLED: u16 = 2;

/// The user EIDs, without their padding.
pub fn ueids() -> Result<Vec<String>> {
    let entries = dump(GENL, DUMP_UEID)?;
    Ok(entries.iter().map(|it| text(it, EID_ENTRY)).collect())
}

/// The system EID, if this machine has one and it is in use.
pub fn seid() -> Result<Option<String>> {
    let entries = dump(GENL, DUMP_SEID)?;
    let enabled = entries.iter().find(|it| number(it, SEID_ENABLED) != 0);
    Ok(enabled
        .map(|it| text(it, EID_ENTRY))
        .filter(|eid| !eid.is_empty()))
}

/// Whether there is an SMC-D device of version 2, the loopback device for one: that is not
/// among [`smcd_devices`].
pub fn has_smcd_v2() -> Result<bool> {
    const SYS_INFO: u16 = 1;
    const IS_ISM_V2: u16 = 3;
    let entries = dump(GENL, GET_SYS_INFO)?;
    let mut found = false;
    for entry in &entries {
        found |= number(&inside(entry, SYS_INFO)?, IS_ISM_V2) != 0;
    }
    Ok(found)
}

/// An SMC device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// The RDMA device's name, or the PCI address of an SMC-D device.
    pub name: String,
    pub ports: Vec<Port>,
}

/// A port of an SMC device.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// The physical network that it is on; empty: none is known.
    pub pnetid: String,
    /// The network device that it shares its wire with; 0: none.
    pub ifindex: u32,
    /// Whether it is up; SMC-D devices do not say.
    pub active: bool,
}

/// The SMC-D devices, but the loopback device.
pub fn smcd_devices() -> Result<Vec<Device>> {
    const DEV_SMCD: u16 = 5;
    const PCI_ID: u16 = 7;
    devices(GET_DEV_SMCD, DEV_SMCD, PCI_ID)
}

/// The SMC-R devices.
pub fn smcr_devices() -> Result<Vec<Device>> {
    const DEV_SMCR: u16 = 6;
    const IB_NAME: u16 = 10;
    devices(GET_DEV_SMCR, DEV_SMCR, IB_NAME)
}

fn devices(command: u8, kind: u16, name: u16) -> Result<Vec<Device>> {
    let entries = dump(GENL, command)?;
    entries
        .iter()
        .map(|it| device(&inside(it, kind)?, name))
        .collect()
}

fn device(entry: &Attributes, name: u16) -> Result<Device> {
    const PORTS: [u16; 2] = [8, 9];
    const PNETID: u16 = 2;
    const NETDEV: u16 = 3;
    const STATE: u16 = 4;
    let mut ports = Vec::new();
    for (kind, value) in entry {
        if PORTS.contains(kind) {
            let port = attrs(value)?;
            ports.push(Port {
                pnetid: text(&port, PNETID),
                ifindex: number(&port, NETDEV) as u32,
                active: number(&port, STATE) != 0,
            });
        }
    }
    Ok(Device {
        name: text(entry, name),
        ports,
    })
}

/// An SMC-R link group: the RDMA links to one peer, and the connections over them.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkGroup {
    pub id: u32,
    /// Connections now; a link group without any goes away 10 minutes later.
    pub connections: u64,
    /// SMC's version, 2 or, where the kernel does not say, 1.
    pub version: u64,
}

/// The SMC-R link groups of this network namespace.
pub fn smcr_link_groups() -> Result<Vec<LinkGroup>> {
    dump(GENL, GET_LGR_SMCR)?.iter().map(link_group).collect()
}

fn link_group(entry: &Attributes) -> Result<LinkGroup> {
    const LGR_SMCR: u16 = 2;
    const ID: u16 = 1;
    const CONNS_NUM: u16 = 6;
    const V2_COMMON: u16 = 7;
    const V2_VER: u16 = 0;
    let entry = inside(entry, LGR_SMCR)?;
    let version = number(&inside(&entry, V2_COMMON)?, V2_VER);
    Ok(LinkGroup {
        id: number(&entry, ID) as u32,
        connections: number(&entry, CONNS_NUM),
        version: version.max(1),
    })
}

/// What one technology, SMC-D or SMC-R, did in this network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Connections set up as a client, or as a server.
    pub client: u64,
    pub server: u64,
    /// Bytes received and sent.
    pub received: u64,
    pub sent: u64,
}

/// What SMC did in this network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub smcd: Traffic,
    pub smcr: Traffic,
    /// Handshakes that failed: the connection did not come about, not by TCP either.
    pub failed: u64,
}

/// What SMC did in this network namespace since that was made.
pub fn stats() -> Result<Stats> {
    const STATS: u16 = 7;
    const SMCD: u16 = 1;
    const SMCR: u16 = 2;
    const FAILED: [u16; 2] = [3, 4];
    let mut stats = Stats::default();
    for entry in dump(GENL, GET_STATS)? {
        let entry = inside(&entry, STATS)?;
        stats.smcd = traffic(&inside(&entry, SMCD)?);
        stats.smcr = traffic(&inside(&entry, SMCR)?);
        stats.failed = FAILED.iter().map(|kind| number(&entry, *kind)).sum();
    }
    Ok(stats)
}

fn traffic(entry: &Attributes) -> Traffic {
    const CLIENT: [u16; 2] = [7, 8];
    const SERVER: [u16; 2] = [9, 10];
    const RECEIVED: u16 = 16;
    const SENT: u16 = 17;
    let sum = |kinds: [u16; 2]| kinds.iter().map(|kind| number(entry, *kind)).sum();
    Traffic {
        client: sum(CLIENT),
        server: sum(SERVER),
        received: number(entry, RECEIVED),
        sent: number(entry, SENT),
    }
}

/// How often SMC fell back to TCP for one reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fallback {
    /// Whether this side listened.
    pub server: bool,
    pub reason: Reason,
    pub count: u64,
}

/// How often SMC fell back to TCP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fallbacks {
    pub client: u64,
    pub server: u64,
    /// The kernel remembers 30 of each side.
    pub reasons: Vec<Fallback>,
}

/// How often SMC fell back to TCP in this network namespace, and why.
pub fn fallbacks() -> Result<Fallbacks> {
    const FBACK_STATS: u16 = 8;
    let entries = dump(GENL, GET_FBACK_STATS)?;
    let inside: Result<Vec<_>> = entries.iter().map(|it| inside(it, FBACK_STATS)).collect();
    Ok(counted(&inside?))
}

fn counted(entries: &[Attributes]) -> Fallbacks {
    const TYPE: u16 = 1;
    const SERVER: u16 = 2;
    const CLIENT: u16 = 3;
    const REASON: u16 = 4;
    const COUNT: u16 = 5;
    let mut all = Fallbacks::default();
    for entry in entries {
        // The totals come with the first entry alone.
        all.server += number(entry, SERVER);
        all.client += number(entry, CLIENT);
        all.reasons.push(Fallback {
            server: number(entry, TYPE) != 0,
            reason: Reason(number(entry, REASON) as u32),
            count: number(entry, COUNT),
        });
    }
    all.reasons.sort_by_key(|it| std::cmp::Reverse(it.count));
    all
}

/// The attributes inside an attribute; none if it is not there.
fn inside(entry: &Attributes, kind: u16) -> Result<Attributes> {
    match entry.iter().find(|(it, _)| *it == kind) {
        Some((_, value)) => attrs(value),
        None => Ok(Attributes::new()),
    }
}

/// A number of 1, 2, 4 or 8 bytes; 0 if it is not there.
fn number(entry: &Attributes, kind: u16) -> u64 {
    let value = entry.iter().find(|(it, _)| *it == kind);
    match value.map(|(_, value)| value.as_slice()) {
        Some([a]) => (*a).into(),
        Some([a, b]) => u16::from_ne_bytes([*a, *b]).into(),
        Some([a, b, c, d]) => u32::from_ne_bytes([*a, *b, *c, *d]).into(),
        Some([a, b, c, d, e, f, g, h]) => u64::from_ne_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => 0,
    }
}

/// A string, without its end and what pads it.
fn text(entry: &Attributes, kind: u16) -> String {
    let value = entry.iter().find(|(it, _)| *it == kind);
    let value = value.map(|(_, value)| value.as_slice()).unwrap_or_default();
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eid_is_padded_with_spaces() {
        let eid = padded("SMCIFY-LAB").expect("a valid EID");
        assert_eq!(eid.len(), 33);
        assert_eq!(&eid[9..12], b"B  ");
        assert_eq!(eid[32], 0);
        assert!(padded("").is_err());
        assert!(padded(&"X".repeat(33)).is_err());
        assert_eq!(text(&vec![(EID_ENTRY, eid)], EID_ENTRY), "SMCIFY-LAB");
    }

    #[test]
    fn fallbacks_are_counted_by_side_and_reason() {
        let u64 = |number: u64| number.to_ne_bytes().to_vec();
        let entry = |server: u8, reason: u32, count: u16| {
            vec![
                (1, vec![server]),
                (4, reason.to_ne_bytes().to_vec()),
                (5, count.to_ne_bytes().to_vec()),
            ]
        };
        let mut first = entry(1, 0x0301_0000, 2);
        first.extend([(2, u64(2)), (3, u64(9))]);
        let all = counted(&[first, entry(0, 0x0303_0008, 9)]);
        assert_eq!((all.server, all.client), (2, 9));
        let reasons: Vec<_> = all.reasons.iter().map(|it| (it.server, it.count)).collect();
        assert_eq!(reasons, [(false, 9), (true, 2)]);
        assert_eq!(all.reasons[1].reason.name(), Some("PEERNOSMC"));
    }

    #[test]
    fn a_device_has_its_ports() {
        let port = |bytes: &[u8]| bytes.to_vec();
        // PNETID "NET1", NETDEV 3, STATE 1.
        let inner = [
            &[9, 0, 2, 0][..],
            b"NET1\0\0\0\0",
            &[8, 0, 3, 0, 3, 0, 0, 0],
            &[5, 0, 4, 0, 1, 0, 0, 0],
        ]
        .concat();
        let entry = vec![(10, b"rxe0\0".to_vec()), (8, port(&inner))];
        let device = device(&entry, 10).expect("a device");
        assert_eq!(device.name, "rxe0");
        let [port] = &device.ports[..] else {
            panic!("one port: {device:?}");
        };
        assert_eq!((port.pnetid.as_str(), port.ifindex), ("NET1", 3));
        assert!(port.active);
    }
}
