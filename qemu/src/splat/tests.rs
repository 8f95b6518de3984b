// SPDX-License-Identifier: GPL-2.0
//! Reports as a lab kernel printed them for a module that does all of it on
//! purpose (`reports/`), and what is made of them.

use super::*;

fn watch(text: &str) -> Vec<Splat> {
    let mut watcher = Watcher::default();
    for line in text.lines() {
        watcher.line(line, None);
    }
    watcher.finish()
}

/// The one report in `text`, with innocent lines around it.
fn only(text: &str) -> Splat {
    let around = format!("[    1.0] before\n{text}\n[   99.0] lab: exit 0\n[   99.1] after\n");
    let mut found = watch(&around);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

macro_rules! report {
    ($name:ident, $kind:expr, $summary:literal) => {
        #[test]
        fn $name() {
            let text = include_str!(concat!("reports/", stringify!($name), ".log"));
            let splat = only(text);
            assert_eq!(splat.kind, $kind);
            assert_eq!(splat.summary(), $summary);
            let first = splat.excerpt[0].as_str();
            let head = text.lines().position(|line| line == first);
            assert!(head.is_some_and(|line| line <= 1), "begins with {first}");
            assert!(!splat.excerpt.iter().any(|line| line.contains("lab: exit")));
        }
    };
}

report!(kasan, Kind::Kasan, "KASAN: slab-use-after-free in uaf");
report!(
    lockdep,
    Kind::Lockdep,
    "lockdep: possible circular locking dependency detected in inversion"
);
report!(rcu, Kind::Rcu, "RCU: suspicious RCU usage in init_module");
report!(warning, Kind::Warning, "WARNING: splat.c:13 in warn");
report!(
    atomic,
    Kind::Atomic,
    "sleep in atomic: sleeping function called from invalid context at kernel/locking/mutex.c:623 in atomic"
);
report!(
    refcount,
    Kind::Refcount,
    "refcount: refcount_t: addition on 0; use-after-free. in refc"
);
report!(
    oops,
    Kind::Oops,
    "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000001: 0000 [#1] SMP KASAN in null"
);
report!(
    panic,
    Kind::Panic,
    "panic: Kernel panic - not syncing: lab test in init_module"
);
report!(
    nmi,
    Kind::Panic,
    "panic: Kernel panic - not syncing: NMI: Not continuing in smp_call_function_many_cond"
);
report!(
    kmemleak,
    Kind::Kmemleak,
    "kmemleak: unreferenced object 0xff1100000d518000 (size 4096): in do_one_initcall"
);

#[test]
fn one_line_complaints_are_found() {
    let lines = [
        (
            "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kworker/1:1:42]",
            Kind::Lockup,
        ),
        (
            "INFO: task insmod:61 blocked for more than 122 seconds.",
            Kind::HungTask,
        ),
        (
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            Kind::Rcu,
        ),
        (
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            Kind::Rcu,
        ),
        (
            "unregister_netdevice: waiting for veth0 to become free. Usage count = 2",
            Kind::NetdevLeak,
        ),
        ("ref_tracker: veth0@ff11 has 1/1 users at", Kind::RefTracker),
        (
            "kmemleak: 12 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            Kind::Kmemleak,
        ),
        (
            "UBSAN: array-index-out-of-bounds in net/smc/smc_clc.c:1:2",
            Kind::Ubsan,
        ),
        ("WARNING: inconsistent lock state", Kind::Lockdep),
        (
            "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 40s!",
            Kind::Lockup,
        ),
        (
            "BUG: unable to handle page fault for address: ffffffffc0000000",
            Kind::Oops,
        ),
        ("kernel BUG at mm/slub.c:634!", Kind::Bug),
        ("rust_kernel: panicked at src/hook.rs:1:2:", Kind::Panic),
    ];
    for (line, kind) in lines {
        let splat = only(&format!("[   12.345678][   T61] {line}"));
        assert_eq!((splat.kind, splat.title.as_str()), (kind, line));
    }
}

#[test]
fn a_healthy_boot_has_no_report() {
    let boot = "\
        [    0.000000] rcu: \tRCU callback double-/use-after-free debug is enabled.\n\
        [    4.234552] PCI: Using host bridge windows from ACPI; if necessary, use \"pci=nocrs\" and report a bug\n\
        [    1.300000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!\n\
        [   12.840000] kmemleak: Kernel memory leak detector initialized (mem pool available: 38972)\n\
        [    6.030000] clocksource: Watchdog remote CPU 1 read timed out\n\
        [   15.166515] smcify: loading out-of-tree module taints kernel.\n";
    assert!(watch(boot).is_empty());
}

#[test]
fn a_report_that_does_not_end_is_cut() {
    let mut text = "WARNING: something\n".to_string();
    for number in 0..400 {
        text += &format!("line {number}\n");
    }
    assert_eq!(watch(&text)[0].excerpt.len(), LONGEST_REPORT);
}

#[test]
fn a_panic_shows_every_processor() {
    // What the first one waits for is done by the second.
    let splat = only(include_str!("reports/nmi.log"));
    let shows = |name: &str| splat.excerpt.iter().any(|line| line.contains(name));
    assert!(shows("flush_tlb_mm_range") && shows("rxe_receiver"));
}

#[test]
fn messages_lose_stamp_and_caller() {
    assert_eq!(message("[    1.5] x [y] z\r"), "x [y] z");
    assert_eq!(message("[   12.345678][  T123] <TASK>"), "<TASK>");
    assert_eq!(message("[    1.5]  indented+0x1/0x2"), " indented+0x1/0x2");
    assert_eq!(message("[drm] no stamp"), "[drm] no stamp");
}

#[test]
fn a_report_has_parts() {
    let parts = only(include_str!("reports/kasan.log")).parts();
    assert_eq!(
        [&parts.kind, &parts.access, &parts.function],
        ["slab-use-after-free", "Write", "uaf"]
    );
    assert_eq!(
        parts.allocated[..4],
        ["kasan_save_track", "__kasan_kmalloc", "uaf", "init_module"]
    );
    assert_eq!(parts.freed[3..5], ["kfree", "uaf"]);
    let parts = only(include_str!("reports/oops.log")).parts();
    assert_eq!(
        [&parts.kind, &parts.access, &parts.function],
        ["Oops", "", "null"]
    );
}

#[test]
fn a_report_whose_end_is_lost_ends_with_the_next() {
    let text = include_str!("reports/multi_shot.log");
    let lines = text.lines().filter(|line| !line.contains("====="));
    let found = watch(&lines.collect::<Vec<_>>().join("\n"));
    let functions: Vec<_> = found.iter().map(|splat| splat.function()).collect();
    assert_eq!(
        functions,
        ["seq_show", "dentry_unlink_inode"].map(|name| Some(name.to_string()))
    );
}
