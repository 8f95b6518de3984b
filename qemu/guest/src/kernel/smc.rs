// SPDX-License-Identifier: GPL-2.0
//! SMC's settings as the scenarios need them: the lab's user EID, networks without a device.

use crate::netlink::generic;
use anyhow::Result;
pub use smc_netlink::smc::add_ueid;
pub use smc_netlink::smc::remove_ueid;
use std::ffi::CStr;
use std::ffi::CString;

const PNETID: &str = "SMC_PNETID";
const PNETID_ADD: u8 = 2;
const PNETID_DEL: u8 = 3;
const PNETID_NAME: u16 = 1;
const PNETID_ETHNAME: u16 = 2;
const PNETID_IBNAME: u16 = 3;

/// The user EID of the lab.
pub const UEID: &str = "SMCIFY-LAB";

/// A physical network that the SMC-D loopback device is on, and no other device but those
/// that join. Undone when dropped.
pub struct Network(CString);

impl Network {
    /// What the device is called, by kernel: in 7.2 (DIBS) and in 6.16. The table takes
    /// names of devices that are not there.
    const DEVICES: [&CStr; 2] = [c"lo", c"loopback-ism"];

    /// Puts the loopback device on a network of this name. SMC then finds it for the
    /// connections by netdevs of that network only.
    pub fn of_loopback(name: &CStr) -> Result<Self> {
        let network = Self(name.into());
        for device in Self::DEVICES {
            network.add(PNETID_IBNAME, device)?;
        }
        Ok(network)
    }

    /// Puts a netdev on it.
    pub fn join(&self, netdev: &CStr) -> Result<()> {
        self.add(PNETID_ETHNAME, netdev)
    }

    fn add(&self, kind: u16, device: &CStr) -> Result<()> {
        let attrs = [
            (PNETID_NAME, self.0.to_bytes_with_nul()),
            (kind, device.to_bytes_with_nul()),
        ];
        generic(PNETID, PNETID_ADD, &attrs)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let name = [(PNETID_NAME, self.0.to_bytes_with_nul())];
        if let Err(e) = generic(PNETID, PNETID_DEL, &name) {
            eprintln!("smc: the loopback device stays on {:?}: {e:#}", self.0);
        }
    }
}

/// The loopback device on a network that no netdev is on: SMC then finds no device for any
/// connection. Undone when dropped.
pub struct NoDevice {
    _network: Network,
}

impl NoDevice {
    /// Hides the device.
    pub fn hide() -> Result<Self> {
        let _network = Network::of_loopback(c"NOWHERE")?;
        Ok(Self { _network })
    }
}
