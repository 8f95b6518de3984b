// SPDX-License-Identifier: GPL-2.0
//! Connections, as the kernel counts them in this network namespace.

use anyhow::Context;
use anyhow::Result;
use guest::Fallback;
use guest::Outcome;
use serde::Deserialize;
use serde::Serialize;
use smc_netlink::reason::Reason;
use smc_netlink::smc;
use std::collections::BTreeMap;
use std::fs::read_to_string;

/// How many connections there were, in all or since some moment.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Counted {
    /// Opened by TCP, those inside of SMC sockets among them (`ActiveOpens`).
    opened: u64,
    smcd: [u64; 2],
    smcr: [u64; 2],
    /// By the code of their reason, of those who connected and of those who listened.
    fallbacks: [BTreeMap<u32, u64>; 2],
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Counted {
    /// Up to now.
    pub fn now() -> Result<Self> {
        let stats = smc::stats()?;
        let mut fallbacks = [BTreeMap::new(), BTreeMap::new()];
        for it in smc::fallbacks()?.reasons {
            fallbacks[usize::from(it.server)].insert(it.reason.0, it.count);
        }
        Ok(Self {
            opened: active_opens()?,
            smcd: [stats.smcd.client, stats.smcd.server],
            smcr: [stats.smcr.client, stats.smcr.server],
            fallbacks,
        })
    }

    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |a: [u64; 2], b: [u64; 2]| [a[0] - b[0], a[1] - b[1]];
        let side = |side: usize| {
            let before = |code| earlier.fallbacks[side].get(code).copied().unwrap_or(0);
            let all = self.fallbacks[side].iter();
            all.map(|(code, count)| (*code, count - before(code)))
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        Self {
            opened: self.opened - earlier.opened,
            smcd: less(self.smcd, earlier.smcd),
            smcr: less(self.smcr, earlier.smcr),
            fallbacks: [side(CLIENT), side(SERVER)],
        }
    }

    /// This of the client's guest, with the server's side as its guest counted it. What the
    /// server's guest has opened, a proxy's connections for one, counts as well.
    pub fn with_server(mut self, server: &Self) -> Self {
        self.opened += server.opened;
        for side in [CLIENT, SERVER] {
            self.smcd[side] += server.smcd[side];
            self.smcr[side] += server.smcr[side];
            for (code, count) in &server.fallbacks[side] {
                *self.fallbacks[side].entry(*code).or_default() += count;
            }
        }
        self
    }

    /// Whether as many connections became SMC for those who connected as for those who listened.
    pub fn both_sides_agree(&self) -> bool {
        [self.smcd, self.smcr].iter().all(|[a, b]| a == b)
    }

    /// What came of a run, `result` and this.
    pub fn outcome(&self, result: Result<String>) -> Outcome {
        let fallback = |server: bool, (code, count): (&u32, &u64)| Fallback {
            server,
            reason: Reason(*code).to_string(),
            count: *count,
        };
        let [clients, servers] = &self.fallbacks;
        let clients = clients.iter().map(|it| fallback(false, it));
        let servers = servers.iter().map(|it| fallback(true, it));
        Outcome {
            good: result.is_ok(),
            result: result.unwrap_or_else(|e| format!("{e:#}")),
            opened: self.opened,
            smcd: self.smcd[CLIENT],
            smcr: self.smcr[CLIENT],
            fallbacks: clients.chain(servers).collect(),
        }
    }
}

/// Connections that TCP has opened, from `/proc/net/snmp`.
fn active_opens() -> Result<u64> {
    let text = read_to_string("/proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (lines.next(), lines.next());
    let mut pairs = names
        .unwrap_or_default()
        .split(' ')
        .zip(numbers.unwrap_or_default().split(' '));
    let (_, number) = pairs
        .find(|(name, _)| *name == "ActiveOpens")
        .context("/proc/net/snmp: no ActiveOpens")?;
    Ok(number.parse()?)
}
