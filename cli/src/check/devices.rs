// SPDX-License-Identifier: GPL-2.0
//! The devices that SMC can run on, and those that connections leave by.

use super::Line;
use super::SYSCTL;
use super::State;
use super::good;
use super::line;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::net::if_::if_nametoindex;
use smc_netlink::smc;
use smc_netlink::smc::Device;
use std::path::Path;

/// What SMC can run on.
pub struct Devices {
    /// Whether SMC-D has any device of version 2.
    v2: bool,
    smcd: Vec<Device>,
    smcr: Vec<Device>,
    /// Network devices that are up, and can reach others.
    links: Vec<(String, u32)>,
}

impl Devices {
    pub fn read() -> Self {
        let up = InterfaceFlags::IFF_UP;
        let mut links: Vec<_> = getifaddrs()
            .into_iter()
            .flatten()
            .filter(|it| it.flags.contains(up) && !it.flags.contains(InterfaceFlags::IFF_LOOPBACK))
            .map(|it| it.interface_name)
            .collect();
        links.sort();
        links.dedup();
        let index = |name: String| {
            let index = if_nametoindex(name.as_str()).unwrap_or(0);
            (name, index)
        };
        Self {
            v2: smc::has_smcd_v2().unwrap_or(false),
            smcd: smc::smcd_devices().unwrap_or_default(),
            smcr: smc::smcr_devices().unwrap_or_default(),
            links: links.into_iter().map(index).collect(),
        }
    }

    pub fn lines(&self) -> Vec<Line> {
        let names = |devices: &[Device]| -> Vec<String> {
            devices.iter().map(|it| it.name.clone()).collect()
        };
        let mut smcd = names(&self.smcd);
        // The kernel does not list it, but says that there is something.
        if self.v2 && (smcd.is_empty() || Path::new("/sys/class/dibs/lo").exists()) {
            smcd.push("the loopback device, for connections within this machine".into());
        }
        let smcr = names(&self.smcr);
        let (d, r) = (smcd.is_empty(), smcr.is_empty());
        let state = match d && r {
            true => State::Bad,
            false => State::Note,
        };
        let of = |what, found: &[String], next| match found {
            [] => line(what, state, "none", next),
            found => good(what, found.join(", ")),
        };
        vec![
            of(
                "SMC-D devices",
                &smcd,
                "mainframes have ISM; within one machine CONFIG_DIBS_LO=y (before 6.18 \
                 CONFIG_SMC_LO=y)",
            ),
            of(
                "SMC-R devices",
                &smcr,
                "RoCE hardware and its driver; to try it out without: \
                 rdma link add rxe0 type rxe netdev DEV",
            ),
        ]
    }

    /// For each network device that is up, whether SMC can run beside it.
    pub fn egress(&self) -> Vec<Line> {
        let ports = self
            .smcr
            .iter()
            .flat_map(|device| device.ports.iter().map(|port| (device.name.as_str(), port)));
        let ports: Vec<_> = ports.collect();
        let egress = |(name, index): &(String, u32)| {
            let rdma = ports.iter().find(|(_, port)| port.ifindex == *index);
            let rdma = rdma.map(|(device, port)| (*device, port.active));
            egress(
                name,
                rdma,
                !self.smcd.is_empty(),
                Path::new(SYSCTL).exists(),
            )
        };
        self.links.iter().map(egress).collect()
    }
}

/// Whether SMC can run beside a network device: over an RDMA device of the same port, with its
/// state, or over an SMC-D device of the same network. `hook`: whether rules can say where.
fn egress(name: &str, rdma: Option<(&str, bool)>, smcd: bool, hook: bool) -> Line {
    let what = format!("egress {name}");
    match (rdma, smcd) {
        (Some((device, true)), _) => good(&what, format!("SMC-R over {device}")),
        (Some((device, false)), _) => {
            let next = format!("rdma link show {device}");
            line(
                &what,
                State::Warning,
                format!("{device} is not active"),
                &next,
            )
        }
        (None, true) => line(
            &what,
            State::Note,
            "SMC-D if an SMC-D device is in the same network",
            "compare the PNET ids: smc_pnet",
        ),
        (None, false) => {
            let found = "no SMC device beside it: connections that leave by it are TCP";
            let next = match hook {
                true => format!("spare them the handshake: smcify rule add --dev {name}"),
                false => String::new(),
            };
            line(&what, State::Note, found, &next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_devices_are_told_apart() {
        assert_eq!(
            egress("eth0", Some(("rxe0", true)), false, true).state,
            State::Good
        );
        assert_eq!(
            egress("eth0", Some(("rxe0", false)), false, true).state,
            State::Warning
        );
        let lone = |hook| egress("eth0", None, false, hook).next;
        assert!(lone(true).is_some_and(|it| it.contains("--dev eth0")));
        assert_eq!(lone(false), None);
    }
}
