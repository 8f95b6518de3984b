// SPDX-License-Identifier: GPL-2.0
//! What scenarios there are, where each runs, and what the kernel must complain about in it.

use super::Report;
use super::command;
use super::command::lacks;
use super::command::migration;
use super::creation::neighbours;
use super::creation::switch;
use super::creation::vfs;
use super::data::fallback;
use super::data::transfer;
use super::fixes::class;
use super::fixes::clc;
use super::fixes::egress;
use super::fixes::inside;
use super::fixes::modes;
use super::fixes::ulp;
use super::fixes::ulp_race;
use super::handshake;
use super::loading::kunit;
use super::loading::load_errors;
use super::loading::rmmod;
use super::promises;
use super::real::interop;
use super::real::programs;
use super::rules;
use super::wire;
use super::wire::transfer::IPV4;
use super::wire::transfer::KINDS;
use anyhow::Result;
use guest::Expected;

/// For most.
pub const BOTH: &[&str] = &["fixed", "vulnerable"];
/// For what takes long: once, where lock debugging watches too.
const FIXED: &[&str] = &["fixed"];
/// For bugs that the fixed kernel does not have.
const VULNERABLE: &[&str] = &["vulnerable"];

/// For what takes long and is better done without debugging: not part of the check. When it
/// is named, it runs on the fixed kernel as well, where more is noticed.
const PLAIN_KERNEL: &[&str] = &["plain"];

/// For what is short enough for the check, and belongs to the rest of its kind as well.
const FIXED_AND_PLAIN: &[&str] = &["fixed", "plain"];

/// For what takes too long for the check: it runs where it is asked for.
const BY_NAME: &[&str] = &[];

/// One thing to be shown, in a guest of its own or after others.
pub struct Scenario {
    pub name: &'static str,
    pub shows: &'static str,
    pub kernels: &'static [&'static str],
    /// How many guests run it, each of them all of it: 1, or 2 with a network between them.
    pub nodes: u8,
    /// Which others it shares a guest with: those that say the same. For the time that it
    /// takes, or because it leaves memory behind that somebody has written to after its end.
    pub guest: &'static str,
    /// Whether it waits more than it works, so that its guest can run beside the others.
    pub waits: bool,
    /// It and the others of its guest take less, even on a slow machine.
    pub minutes: u64,
    /// Whether it needs the image of real programs.
    pub programs: bool,
    /// Whether it is one of the few that each kernel of `lab matrix` runs.
    pub core: bool,
    /// What the kernel must complain about; without any, it must not complain at all.
    pub expects: &'static [Expect],
    pub run: fn(&mut Report) -> Result<()>,
}

/// A report that a scenario provokes; see [`Expected`].
pub struct Expect {
    kind: &'static str,
    access: &'static str,
    function: &'static str,
    freed_by: &'static str,
    optional: bool,
}

impl Expect {
    pub fn listed(&self) -> Expected {
        Expected {
            kind: self.kind.into(),
            access: self.access.into(),
            function: self.function.into(),
            freed_by: self.freed_by.into(),
            optional: self.optional,
        }
    }
}

/// A network device that is read after its end.
const fn read_of_netdev(function: &'static str) -> Expect {
    Expect {
        kind: "slab-use-after-free",
        access: "Read",
        function,
        freed_by: "netdev_run_todo",
        optional: false,
    }
}

/// A socket's inode that is used after SMC has freed it with its inner TCP socket.
const fn use_of_inode(access: &'static str, function: &'static str) -> Expect {
    Expect {
        kind: "slab-use-after-free",
        access,
        function,
        freed_by: "smc_clcsock_release",
        optional: false,
    }
}

/// A system call that finds its socket without the file that it came by.
const fn null_file(function: &'static str) -> Expect {
    Expect {
        kind: "Oops",
        access: "",
        function,
        freed_by: "",
        optional: false,
    }
}

/// What RCU says that finds fewer callbacks on its list than it has counted.
const RCU_LIST_CUT: Expect = Expect {
    kind: "WARNING",
    access: "",
    function: "rcu_core",
    freed_by: "",
    optional: false,
};

/// What soft-RoCE says of a queue pair whose users have not gone after 50 s.
const RXE_LEAK: Expect = Expect {
    kind: "WARNING",
    access: "",
    function: "__rxe_cleanup",
    freed_by: "",
    optional: true,
};

/// What lockdep says of SMC when a listener is closed in the moment in which the handshake of a
/// connection that nobody has accepted ends: docs/smc-findings.md.
const UNACCEPTED: Expect = Expect {
    kind: "lockdep",
    access: "",
    function: "__flush_work",
    freed_by: "",
    optional: true,
};

/// What most scenarios are.
const PLAIN: Scenario = Scenario {
    name: "",
    shows: "",
    kernels: BY_NAME,
    nodes: 1,
    guest: "",
    waits: false,
    minutes: 15,
    programs: false,
    core: false,
    expects: &[],
    run: |_| Ok(()),
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "switch",
        shows: "what new sockets are: not loaded, idle, default=smc, tcp again, unloaded",
        kernels: BOTH,
        run: switch::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "transfer",
        shows: "unmodified programs run over SMC-D, and every byte arrives",
        kernels: FIXED,
        run: transfer::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "vfs",
        shows: "a socket's file, dentry and inode stay the same, from creation to close",
        kernels: BOTH,
        run: vfs::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "fallback",
        shows: "without SMC at the peer, user EID or device: plain TCP, and no error",
        kernels: FIXED,
        run: fallback::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "promises",
        shows: "what TCP promises, asked of TCP, of selected sockets, of fallbacks and of explicit SMC",
        kernels: BOTH,
        run: promises::run,
        core: true,
        expects: &[UNACCEPTED],
        ..PLAIN
    },
    Scenario {
        name: "promises-ends",
        shows: "whatever ends a connection, no byte is lost without a word: TCP's and selected ones",
        kernels: FIXED_AND_PLAIN,
        run: promises::ends::run,
        ..PLAIN
    },
    Scenario {
        name: "handshake",
        shows: "rules leave the SMC option out of SYN and SYN-ACK, on either host",
        kernels: BOTH,
        run: handshake::run,
        core: true,
        expects: &[UNACCEPTED],
        ..PLAIN
    },
    Scenario {
        name: "rmmod",
        shows: "200 rounds of insmod and rmmod under load: no byte lost, nothing leaked",
        kernels: FIXED,
        guest: "rmmod",
        waits: true,
        run: |report| rmmod::run(report, 200),
        ..PLAIN
    },
    Scenario {
        name: "rmmod-20",
        shows: "the same, 20 rounds",
        kernels: BY_NAME,
        guest: "rmmod",
        waits: true,
        run: |report| rmmod::run(report, 20),
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "handshake-owners",
        shows: "hs_ctrl: the sysctl, somebody else's, namespaces that come and go, rmmod",
        kernels: FIXED,
        guest: "handshake",
        run: handshake::owners::run,
        ..PLAIN
    },
    Scenario {
        name: "handshake-churn",
        shows: "devices renamed, moved and deleted in the middle of handshakes",
        kernels: FIXED,
        run: handshake::churn::run,
        guest: "handshake",
        ..PLAIN
    },
    Scenario {
        name: "command",
        shows: "the smcify command: what it does, prints, and how it ends",
        kernels: BOTH,
        run: command::run,
        ..PLAIN
    },
    Scenario {
        name: "lacks",
        shows: "smcify check names the fixes that this kernel lacks, and on --all asks",
        kernels: BOTH,
        run: lacks::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "fixes",
        shows: "live fixes: in force where needed, switched one by one, harmless elsewhere",
        kernels: BOTH,
        run: modes::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "inside",
        shows: "rmmod while 8 threads are inside functions that are fixed",
        kernels: VULNERABLE,
        run: inside::run,
        ..PLAIN
    },
    Scenario {
        name: "rules",
        shows: "rules about who is given SMC: each kind, the most specific one, what is refused",
        kernels: BOTH,
        run: rules::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "rules-churn",
        shows: "500 rules come and go while 8 threads make sockets: each decided as it must be",
        kernels: FIXED,
        run: |report| rules::churn(report, 500),
        ..PLAIN
    },
    Scenario {
        name: "rules-churn-100000",
        shows: "the same with 100,000",
        kernels: BY_NAME,
        guest: "rules-churn-100000",
        minutes: 120,
        run: |report| rules::churn(report, 100_000),
        ..PLAIN
    },
    Scenario {
        name: "migration",
        shows: "every command of the chart in docs/migration.md does what the chart says",
        kernels: FIXED,
        run: migration::run,
        ..PLAIN
    },
    Scenario {
        name: "programs",
        shows: "redis, nginx with curl and Go as they are shipped: the same comes out, over SMC-D",
        kernels: FIXED_AND_PLAIN,
        programs: true,
        run: programs::run,
        ..PLAIN
    },
    Scenario {
        name: "neighbours",
        shows: "BPF and a livepatch on the same function, before and after: all honoured",
        kernels: BOTH,
        run: neighbours::run,
        ..PLAIN
    },
    Scenario {
        name: "kunit",
        shows: "the KUnit suites: the decision for every kind of request, inside the kernel",
        kernels: BOTH,
        run: kunit::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "load-errors",
        shows: "a load that cannot work says why, and leaves nothing behind",
        kernels: BOTH,
        run: load_errors::run,
        core: true,
        ..PLAIN
    },
    Scenario {
        name: "vlan-without",
        shows: "smc_vlan_by_tcpsk() on a device that is deleted: it reads what was freed",
        kernels: VULNERABLE,
        expects: &[read_of_netdev("netdev_walk_all_lower_dev")],
        run: |report| egress::race(report, &egress::BY_TCPSK, false),
        ..PLAIN
    },
    Scenario {
        name: "vlan-with",
        shows: "the same, device held by smcify: the delete waits",
        kernels: VULNERABLE,
        run: |report| egress::race(report, &egress::BY_TCPSK, true),
        ..PLAIN
    },
    Scenario {
        name: "ism-without",
        shows: "smc_pnet_find_ism_resource() on a device that is deleted: it reads what was freed",
        kernels: VULNERABLE,
        expects: &[
            read_of_netdev("pnet_find_base_ndev"),
            read_of_netdev("smc_pnet_find_ism_resource"),
        ],
        run: |report| egress::race(report, &egress::FIND_ISM, false),
        ..PLAIN
    },
    Scenario {
        name: "ism-with",
        shows: "the same, device held by smcify: the delete waits",
        kernels: VULNERABLE,
        run: |report| egress::race(report, &egress::FIND_ISM, true),
        ..PLAIN
    },
    Scenario {
        name: "roce-without",
        shows: "smc_pnet_find_roce_resource() on a device that is deleted: it reads what was freed",
        kernels: VULNERABLE,
        expects: &[
            read_of_netdev("pnet_find_base_ndev"),
            read_of_netdev("smc_pnet_find_roce_resource"),
        ],
        run: |report| egress::race(report, &egress::FIND_ROCE, false),
        ..PLAIN
    },
    Scenario {
        name: "roce-with",
        shows: "the same, device held by smcify: the delete waits",
        kernels: VULNERABLE,
        run: |report| egress::race(report, &egress::FIND_ROCE, true),
        ..PLAIN
    },
    Scenario {
        name: "class-without",
        shows: "a device kept from before its end and used after it, in a KUnit reader",
        kernels: VULNERABLE,
        expects: &[read_of_netdev("ifindex_of_kept")],
        run: class::without,
        ..PLAIN
    },
    Scenario {
        name: "class-with",
        shows: "the same with src/net/, where the device is counted: its end waits",
        kernels: BOTH,
        run: class::with,
        ..PLAIN
    },
    Scenario {
        name: "ulp-opath-without",
        shows: "TCP_ULP \"smc\" under an O_PATH descriptor: a freed inode is read and written",
        kernels: VULNERABLE,
        guest: "ulp-opath-without",
        expects: &[
            use_of_inode("Read", "seq_show"),
            use_of_inode("Read", "show_fd_locks"),
            use_of_inode("Read", "locks_remove_file"),
            use_of_inode("Read", "__fput"),
            use_of_inode("Write", "dentry_unlink_inode"),
        ],
        run: |report| ulp::opath(report, false),
        ..PLAIN
    },
    Scenario {
        name: "ulp-opath-with",
        shows: "the same with smcify: refused, the program has TCP; or SMC, if that is asked for",
        kernels: VULNERABLE,
        run: |report| ulp::opath(report, true),
        ..PLAIN
    },
    Scenario {
        name: "ulp-race-without",
        shows: "TCP_ULP \"smc\" while others use the socket: freed inodes, a sender killed",
        kernels: VULNERABLE,
        guest: "ulp-race-without",
        expects: &[
            use_of_inode("Read", "seq_show"),
            use_of_inode("Read", "show_fd_locks"),
            use_of_inode("Read", "locks_remove_file"),
            use_of_inode("Read", "__fput"),
            use_of_inode("Write", "dentry_unlink_inode"),
            null_file("____sys_sendmsg"),
            RCU_LIST_CUT,
            // What the free race may come upon in addition.
            Expect {
                optional: true,
                ..null_file("")
            },
            Expect {
                optional: true,
                ..use_of_inode("", "")
            },
        ],
        run: |report| ulp_race::run(report, false),
        ..PLAIN
    },
    Scenario {
        name: "ulp-race-with",
        shows: "the same with smcify: refused each time, and the others notice nothing",
        kernels: VULNERABLE,
        run: |report| ulp_race::run(report, true),
        ..PLAIN
    },
    Scenario {
        name: "clc-without",
        shows: "the kernel's own prefix match: what it answers, while devices come and go",
        kernels: VULNERABLE,
        run: |report| clc::run(report, false),
        ..PLAIN
    },
    Scenario {
        name: "clc-with",
        shows: "smcify's prefix match: the same answers, while devices come and go",
        kernels: VULNERABLE,
        run: |report| clc::run(report, true),
        ..PLAIN
    },
    Scenario {
        name: "clc-mutations",
        shows: "500 malformed CLC Proposals: no complaint, and the listener goes on serving",
        kernels: VULNERABLE,
        run: |report| clc::mutations(report, 500),
        ..PLAIN
    },
    Scenario {
        name: "clc-mutations-10000",
        shows: "the same with 10,000",
        kernels: BY_NAME,
        guest: "clc-mutations-10000",
        run: |report| clc::mutations(report, 10_000),
        ..PLAIN
    },
    Scenario {
        name: "wire-transfer",
        shows: "two guests: unmodified programs run over SMC-R, and every byte arrives",
        kernels: FIXED_AND_PLAIN,
        nodes: 2,
        run: |report| wire::transfer::run(report, "wire-transfer", 256 << 10, KINDS),
        ..PLAIN
    },
    Scenario {
        name: "interop",
        shows: "real programs between two guests: the same with TCP and over SMC-R, or why not",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        programs: true,
        run: |report| interop::wire(report, "interop"),
        ..PLAIN
    },
    Scenario {
        name: "interop-cpython",
        shows: "CPython's own tests of sockets: the same with TCP and over SMC-D, or why not",
        kernels: PLAIN_KERNEL,
        programs: true,
        minutes: 30,
        run: interop::suites,
        ..PLAIN
    },
    Scenario {
        name: "wire-transfer-64",
        shows: "the same with 64 MiB each way, over IPv4",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        run: |report| wire::transfer::run(report, "wire-transfer-64", 64 << 20, IPV4),
        ..PLAIN
    },
    Scenario {
        name: "wire-fallback",
        shows: "two guests, one without smcify, SMC or RDMA, routed, replayed options: TCP, in time",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        run: wire::fallback::run,
        ..PLAIN
    },
    Scenario {
        name: "wire-failures",
        shows: "two guests: wire, devices, peer and smcify fail in mid-transfer, SMC-R beside TCP",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        run: wire::failures::run,
        ..PLAIN
    },
    Scenario {
        name: "wire-cut-60",
        shows: "the wire cut for 60 s in mid-transfer, SMC-R beside TCP",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        guest: "wire-cut-60",
        waits: true,
        run: wire::failures::minute,
        ..PLAIN
    },
    Scenario {
        name: "wire-netdev",
        shows: "a netdev with soft-RoCE is deleted in mid-transfer, SMC-R beside TCP",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        expects: &[RXE_LEAK],
        run: wire::failures::netdev,
        ..PLAIN
    },
    Scenario {
        name: "wire-restarts",
        shows: "one of two guests crashes in mid-transfer and boots; then it is rebooted",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        guest: "wire-restarts",
        run: wire::restarts::run,
        ..PLAIN
    },
    Scenario {
        name: "wire-promises",
        shows: "over SMC-R nothing that was accepted is lost, and nobody waits for it: as with TCP",
        kernels: FIXED,
        nodes: 2,
        run: wire::promises::run,
        ..PLAIN
    },
    Scenario {
        name: "wire-explicit",
        shows: "SMC without smcify: what a program loses that TCP would not lose",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        run: wire::explicit::run,
        ..PLAIN
    },
    Scenario {
        name: "wire-many",
        shows: "1,000 connections over SMC-R at once, 5,000 in a row: nothing is left of them",
        kernels: PLAIN_KERNEL,
        nodes: 2,
        run: wire::many::run,
        ..PLAIN
    },
];
