// SPDX-License-Identifier: GPL-2.0
//! Where SMC cannot be between two guests, a program has TCP, and not a second later than it
//! had it without SMC.

use super::NO_COMMON_DEVICE;
use super::end;
use super::lack::LACKS;
use super::lack::Lack;
use super::link_group;
use super::rdma_is_ready;
use crate::diag::Carrier;
use crate::kernel::net;
use crate::kernel::net::address;
use crate::kernel::netns::Netns;
use crate::program::pair::End;
use crate::program::peer::Peer;
use crate::scenario::Report;
use crate::scenario::data::fallback::PEER_DECLINED;
use crate::scenario::data::fallback::PEER_NO_SMC;
use crate::scenario::same;
use crate::scenario::wire::middlebox;
use crate::scenario::wire::tool::tool;
use crate::smcify::Smcify;
use crate::smcify::rule::Rule;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::collections::BTreeSet;
use std::io::Read;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::time::Duration;
use std::time::Instant;

const CLIENT: u8 = 0;
const SERVER: u8 = 1;
/// Each way.
const BYTES: u64 = 128 << 10;
/// How much longer than TCP alone it may take, at best of so many attempts at most.
const SLOWER: Duration = Duration::from_secs(1);
const MOST: usize = 10;

/// With the rule, the client's socket is one of SMC that offers no SMC.
const REPLAYED: [Carrier; 2] = [PEER_NO_SMC, Carrier::Tcp];
const WITH_RULE: &str = "behind a peer that replays options, with a rule";
/// The server reads SMC's handshake as data, and the client waits for its answer: 6 s
/// (`CLC_WAIT_TIME`).
const WITHOUT_RULE: &str = "behind such a peer, without a rule: connect() gives up";
/// How a CLC message begins: "SMCR" in EBCDIC.
const EYECATCHER: [u8; 4] = [0xe2, 0xd4, 0xc3, 0xd9];

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    Peer::with("wire-fallback", |peer| {
        rdma_is_ready(peer)?;
        let mut scene = Scene { report, peer };
        for lack in LACKS {
            for side in [CLIENT, SERVER] {
                scene.without(lack, side)?;
            }
        }
        scene.routed()?;
        scene.replayed()?;
        scene.as_it_should_be()
    })
}

/// A transfer: what carried this guest's end, and how long it took.
struct Transfer {
    carriers: BTreeSet<Carrier>,
    took: Duration,
}

impl Transfer {
    /// Watches this guest's end to its end.
    fn watch(peer: &Peer, mut end: End) -> Result<Self> {
        end.watch()?;
        let took = end.took()?;
        peer.meet("everything has gone")?;
        let carriers = end.finish()?;
        Ok(Self { carriers, took })
    }

    /// Fails unless this guest's end is as it is `expected` of the client's and the server's.
    fn carried(&self, peer: &Peer, expected: [Carrier; 2]) -> Result<()> {
        let expected = BTreeSet::from([expected[usize::from(peer.node())]]);
        let names = |of: &BTreeSet<Carrier>| of.iter().map(Carrier::to_string).collect::<Vec<_>>();
        same("carried by", names(&expected), names(&self.carriers))
    }
}

/// The two guests.
struct Scene<'a> {
    report: &'a mut Report,
    peer: &'a Peer,
}

impl Scene<'_> {
    /// Transfers to `at`; reports whether they were carried as `expected`, and took no longer
    /// than they do without SMC.
    fn case(
        &mut self,
        name: &str,
        at: IpAddr,
        smcify: Option<&Smcify>,
        expected: [Carrier; 2],
    ) -> Result<()> {
        let peer = self.peer;
        if let (Some(smcify), [Carrier::SmcR, _]) = (smcify, expected) {
            link_group(self.report, peer, smcify, SERVER, at)?;
        }
        self.compare(name, smcify, expected, || {
            end(peer, SERVER, "blocking", at, BYTES)
        })
    }

    /// The same of ends that are started so.
    fn compare(
        &mut self,
        name: &str,
        smcify: Option<&Smcify>,
        expected: [Carrier; 2],
        end: impl Fn() -> Result<End>,
    ) -> Result<()> {
        let one = |default| {
            smcify.map_or(Ok(()), |smcify| smcify.set_default(default))?;
            self.peer.meet("both are ready")?;
            Transfer::watch(self.peer, end()?)
        };
        let (alone, went) = (one("tcp")?, one("smc")?);
        let carried = alone
            .carried(self.peer, [Carrier::Tcp; 2])
            .context("without SMC")
            .and_then(|()| went.carried(self.peer, expected));
        self.report.check(name, carried);
        // What else the machine does only adds to the time that it takes: the best counts.
        let (mut best, mut of_tcp) = (went.took, alone.took);
        let mut runs = 1;
        while self.agreed(best > of_tcp + SLOWER && runs < MOST)? {
            of_tcp = of_tcp.min(one("tcp")?.took);
            best = best.min(one("smc")?.took);
            runs += 1;
        }
        let ms = |time: Duration| time.as_millis();
        let times = format!("{} ms, {} ms by TCP alone", ms(best), ms(of_tcp));
        if self.peer.node() == CLIENT {
            self.report.note(format!("{name}: {times}, in {runs}"));
            let in_time = || {
                ensure!(best <= of_tcp + SLOWER, "{times}");
                Ok(())
            };
            self.report.check(format!("{name}: in time"), in_time());
        }
        Ok(())
    }

    /// What the client thinks, who alone knows when a transfer has begun.
    fn agreed(&self, client: bool) -> Result<bool> {
        match self.peer.node() {
            CLIENT => self.peer.tell(&client).map(|()| client),
            _ => self.peer.hear(),
        }
    }

    fn without(&mut self, lack: Lack, side: u8) -> Result<()> {
        let lacks = self.peer.node() == side;
        if lacks {
            lack.take()?;
        }
        let has_smcify = !lacks || lack == Lack::Rdma;
        let smcify = has_smcify.then(Smcify::load).transpose()?;
        self.peer.meet("one side lacks something")?;
        let who = ["client", "server"][usize::from(side)];
        let name = format!("the {who} is without {}", lack.name());
        let at = address(SERVER, false);
        self.case(&name, at, smcify.as_ref(), lack.carriers(side))?;
        drop(smcify);
        if lacks {
            lack.give_back(self.peer)?;
        }
        self.peer.meet("nothing is lacking")
    }

    /// Client and server in two subnets with a router between them, which is the server's own
    /// host. Version 2 of SMC-R can be routed. It goes by the address that the client connects
    /// from: that has to be one of the RDMA device's netdev (`smc_ib_determine_gid_rcu()`).
    fn routed(&mut self) -> Result<()> {
        let node = self.peer.node();
        let (gateway, far) = (address(1 - node, false), 1 - node);
        net::add_dummy("far")?;
        net::up("far")?;
        for (subnet, device, name, expected) in [
            (98, "eth0", "in another subnet, routed", [Carrier::SmcR; 2]),
            (
                96,
                "far",
                "in another subnet, not on the RDMA device's netdev",
                [PEER_DECLINED, NO_COMMON_DEVICE],
            ),
        ] {
            let of = |node| IpAddr::from(Ipv4Addr::new(10, subnet, node, 1));
            net::add_address(device, of(node), 24)?;
            let (to, from) = (of(far), of(node));
            tool(&format!("ip route add {to}/32 via {gateway} src {from}"))?;
            let smcify = Smcify::load()?;
            self.peer.meet("there is another subnet")?;
            self.case(name, of(SERVER), Some(&smcify), expected)?;
            tool(&format!("ip route del {to}/32"))?;
            net::delete_address(device, of(node), 24)?;
        }
        net::delete(net::index("far")?)?;
        self.peer.meet("there is no other subnet")
    }

    /// A server behind a box that replays the SMC option. Without a rule the client begins
    /// SMC's handshake with a server that takes it for data; a rule spares it that.
    fn replayed(&mut self) -> Result<()> {
        let (peer, host) = (self.peer, middlebox::HOST);
        if peer.node() == SERVER {
            return middlebox::with(|netns| self.behind(netns));
        }
        let smcify = Smcify::load()?;
        tool(&format!(
            "ip route add {host}/32 via {}",
            address(SERVER, false)
        ))?;
        peer.meet("the box is there")?;
        let rule = Rule::saying("tcp", "dst:10.97.0.0:24")?;
        self.case(WITH_RULE, host, Some(&smcify), REPLAYED)?;
        drop(rule);
        let begun = Instant::now();
        let error = TcpStream::connect(peer.hear::<SocketAddr>()?).err();
        let time = begun.elapsed().as_secs_f32();
        self.report
            .note(format!("{WITHOUT_RULE}: {error:?} after {time:.1} s"));
        let error = error.and_then(|error| error.raw_os_error());
        self.report.check(
            WITHOUT_RULE,
            same("connect()", Some(libc::ETIMEDOUT), error),
        );
        peer.meet("the client has tried")
    }

    /// The same, on the server's side.
    fn behind(&mut self, host: &Netns) -> Result<()> {
        let (peer, ip) = (self.peer, middlebox::HOST);
        peer.meet("the box is there")?;
        let serve = || host.run(|| end(peer, SERVER, "blocking", ip, BYTES));
        self.compare(WITH_RULE, None, REPLAYED, serve)?;
        let listener = host.run(|| Ok(TcpListener::bind((ip, 0))?))?;
        peer.tell(&listener.local_addr()?)?;
        let (mut stream, _) = listener.accept()?;
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let found = same("the first bytes", EYECATCHER, head);
        self.report.check(WITHOUT_RULE, found);
        peer.meet("the client has tried")
    }

    /// After all that, SMC-R again.
    fn as_it_should_be(&mut self) -> Result<()> {
        let smcify = Smcify::load()?;
        let (at, smcr) = (address(SERVER, false), [Carrier::SmcR; 2]);
        self.case("all as it should be", at, Some(&smcify), smcr)
    }
}
