// SPDX-License-Identifier: GPL-2.0
//! What a guest may do without for a while: smcify, smc.ko, its RDMA device.

use super::NO_COMMON_DEVICE;
use super::rdma_is_ready;
use crate::diag::Carrier;
use crate::kernel::module;
use crate::kernel::net;
use crate::kernel::smc;
use crate::kernel::until::until;
use crate::program::peer::Peer;
use crate::scenario::data::fallback::PEER_DECLINED;
use crate::scenario::data::fallback::PEER_NO_SMC;
use crate::scenario::wire::tool::tool;
use crate::smcify::STREAM;
use anyhow::Result;
use nix::sys::utsname::uname;

/// What one side may lack.
#[derive(Clone, Copy, PartialEq)]
pub enum Lack {
    Smcify,
    Smc,
    Rdma,
}

/// All of it.
pub const LACKS: [Lack; 3] = [Lack::Smcify, Lack::Smc, Lack::Rdma];

impl Lack {
    /// What it is.
    pub fn name(self) -> &'static str {
        match self {
            Lack::Smcify => "smcify",
            Lack::Smc => "smc.ko",
            Lack::Rdma => "an RDMA device",
        }
    }

    /// What carries the client's end and the server's if `side` lacks it.
    pub fn carriers(self, side: u8) -> [Carrier; 2] {
        match (self, side) {
            (Lack::Rdma, _) => [PEER_DECLINED, NO_COMMON_DEVICE],
            (_, 0) => [Carrier::Tcp, PEER_NO_SMC],
            (_, _) => [PEER_NO_SMC, Carrier::Tcp],
        }
    }

    /// Takes it away. smcify is not there yet, unless it is the RDMA device that goes.
    pub fn take(self) -> Result<()> {
        match self {
            Lack::Smcify => {}
            Lack::Smc => {
                module::unload("smc_diag")?;
                // Sockets keep both until they have closed.
                for name in ["smcify_stream", "smc"] {
                    until("the end of SMC's sockets", || {
                        Ok(module::try_unload(name)?.is_ok())
                    })?;
                }
            }
            Lack::Rdma => drop(tool("rdma link delete rxe0")?),
        }
        Ok(())
    }

    /// Brings it back.
    pub fn give_back(self, peer: &Peer) -> Result<()> {
        match self {
            Lack::Smcify => Ok(()),
            Lack::Smc => {
                let release = uname()?.release().to_string_lossy().into_owned();
                for name in ["smc", "smc_diag"] {
                    let path = format!("/lib/modules/{release}/kernel/net/smc/{name}.ko");
                    module::load(&path)?;
                }
                module::load(STREAM)?;
                smc::add_ueid(smc::UEID)?;
                rdma_is_ready(peer)
            }
            Lack::Rdma => {
                net::add_rxe()?;
                rdma_is_ready(peer)
            }
        }
    }
}
