// SPDX-License-Identifier: GPL-2.0
//! A real program, tried twice: with TCP and under `smcify run`. What came of it, and what
//! carried its connections.

mod counted;
mod echo;
mod haproxy;
mod iperf3;
mod memcached;
mod netperf;
mod nginx;
mod postgres;
mod redis;
mod server;
mod ssh;

use crate::kernel::until::until;
use crate::program::peer::Peer;
use crate::scenario::real::place;
use anyhow::Context;
use anyhow::Error;
use anyhow::Result;
pub use counted::Counted;
use guest::Difference;
use guest::Outcome;
use guest::Tried;
use serde::Deserialize;
use serde::Serialize;
use server::Server;
use std::net::IpAddr;

/// How long a client may take, by coreutils' `timeout`.
const LIMIT: &str = "120";

/// A program with a server and a client.
pub struct Trial {
    /// What the table calls it.
    pub name: &'static str,
    /// The Debian package whose version is told; nothing for what is ours alone.
    pub package: &'static str,
    /// Whether it opens the same number of connections each time.
    pub steady: bool,
    /// Starts what serves, and returns when it listens.
    server: fn(&Run) -> Result<Vec<Server>>,
    /// Does everything a client does; says what came out, the same each time it goes well.
    client: fn(&Run) -> Result<String>,
}

/// All of them.
pub const TRIALS: &[Trial] = &[
    redis::REDIS,
    nginx::NGINX,
    nginx::CURL,
    haproxy::HAPROXY,
    postgres::POSTGRESQL,
    memcached::MEMCACHED,
    ssh::OPENSSH,
    iperf3::IPERF3,
    netperf::NETPERF,
    echo::GO,
    echo::GO_NO_MPTCP,
    echo::JAVA,
    echo::NODE,
    echo::TOKIO,
];

/// Those of them with this name.
pub fn named(name: &str) -> Result<&'static Trial> {
    let mut all = TRIALS.iter();
    let found = all.find(|trial| trial.name == name);
    found.with_context(|| format!("no trial {name:?}"))
}

/// What the server's guest says at the end of a run.
#[derive(Deserialize, Serialize)]
struct Served {
    ended: Result<(), String>,
    counted: Counted,
}

/// One run of a trial.
pub struct Run {
    /// Whether under `smcify run`.
    smcify: bool,
    /// Where the server is.
    server: IpAddr,
}

impl Run {
    /// The server's address, with a port.
    fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.server)
    }

    /// The server's address.
    fn host(&self) -> String {
        self.server.to_string()
    }

    /// The words of a command as this run runs it.
    fn words<'a>(&self, words: &[&'a str]) -> Vec<&'a str> {
        let before: &[&str] = match self.smcify {
            true => &["smcify", "run", "--"],
            false => &[],
        };
        [before, words].concat()
    }

    /// Runs a client to its end; what it printed.
    fn ask(&self, words: &[&str]) -> Result<String> {
        let words = [&["timeout", LIMIT], self.words(words).as_slice()].concat();
        place::output(&words)
    }

    /// Starts a server that listens on `port`.
    fn serve(&self, words: &[&str], port: u16) -> Result<Server> {
        Server::start(place::command(&self.words(words)), port)
    }
}

impl Trial {
    /// Tries it in this guest alone.
    pub fn here(&self, server: IpAddr) -> Result<Tried> {
        self.twice(|smcify| self.once_here(Run { smcify, server }))
    }

    /// The same under `smcify run` alone.
    pub fn smcify_here(&self, server: IpAddr) -> Result<Outcome> {
        self.once_here(Run {
            smcify: true,
            server,
        })
    }

    fn once_here(&self, run: Run) -> Result<Outcome> {
        let before = Counted::now()?;
        let result = (self.server)(&run).and_then(|servers| {
            let result = (self.client)(&run);
            server::stop(servers, result.is_ok()).and(result)
        });
        let mut counted = Counted::default();
        until("the same count on both sides", || {
            counted = Counted::now()?.since(&before);
            Ok(counted.both_sides_agree())
        })?;
        Ok(counted.outcome(result))
    }

    /// Tries it with the server in guest 0 and the client in guest 1, which hears what came of it.
    pub fn apart(&self, peer: &Peer, server: IpAddr) -> Result<Option<Tried>> {
        if peer.node() == 1 {
            let tried = self.twice(|smcify| self.ask_apart(peer, Run { smcify, server }));
            return tried.map(Some);
        }
        for smcify in [false, true] {
            self.serve_apart(peer, Run { smcify, server })?;
        }
        Ok(None)
    }

    fn serve_apart(&self, peer: &Peer, run: Run) -> Result<()> {
        let before = Counted::now()?;
        let servers = (self.server)(&run);
        peer.tell(&servers.as_ref().map(drop).map_err(|e| format!("{e:#}")))?;
        let content: bool = peer.hear()?;
        let ended = servers.and_then(|servers| server::stop(servers, content));
        peer.tell(&Served {
            ended: ended.map_err(|e| format!("{e:#}")),
            counted: Counted::now()?.since(&before),
        })
    }

    fn ask_apart(&self, peer: &Peer, run: Run) -> Result<Outcome> {
        let before = Counted::now()?;
        let listens: Result<(), String> = peer.hear()?;
        let result = listens
            .map_err(Error::msg)
            .and_then(|()| (self.client)(&run));
        peer.tell(&result.is_ok())?;
        let served: Served = peer.hear()?;
        let result = result.and_then(|it| served.ended.map(|()| it).map_err(Error::msg));
        let counted = Counted::now()?.since(&before);
        Ok(counted.with_server(&served.counted).outcome(result))
    }

    fn twice(&self, mut once: impl FnMut(bool) -> Result<Outcome>) -> Result<Tried> {
        let tcp = once(false).context("with TCP")?;
        let smcify = once(true).context("under smcify run")?;
        Ok(Tried {
            program: self.name.to_owned(),
            version: match self.package {
                "" => String::new(),
                package => place::version(package)?,
            },
            steady: self.steady,
            differences: differences(&tcp, &smcify, self.steady),
            tcp,
            smcify,
        })
    }
}

/// Where two outcomes differ.
fn differences(tcp: &Outcome, smcify: &Outcome, steady: bool) -> Vec<Difference> {
    let differ = |what: &str, tcp: String, smcify: String| {
        let what = what.to_owned();
        let race = false;
        (tcp != smcify).then_some(Difference {
            what,
            tcp,
            smcify,
            race,
        })
    };
    let connections = |one: &Outcome| match steady {
        true => one.opened.to_string(),
        false => String::new(),
    };
    let fallbacks = smcify.fallbacks.iter();
    let result = differ("result", tcp.result.clone(), smcify.result.clone());
    let opened = differ("connections", connections(tcp), connections(smcify));
    let reasons = fallbacks.map(|it| differ(&it.reason, "TCP".into(), "TCP, by fallback".into()));
    [result, opened]
        .into_iter()
        .chain(reasons)
        .flatten()
        .collect()
}
