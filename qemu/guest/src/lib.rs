// SPDX-License-Identifier: GPL-2.0
//! What the lab and the guest agree on: the boot plan and the guest's layout.

pub mod measure;

use serde::Deserialize;
use serde::Serialize;

/// Where the boot plan lies in the initramfs.
pub const PLAN: &str = "/lab.json";

/// The binaries of this crate, and the `smcify` command, and where the initramfs must have
/// them. `/init` is `guest` once more.
pub const PROGRAMS: [(&str, &str); 4] = [
    ("guest", "/bin/guest"),
    ("transfer", "/bin/transfer"),
    ("smcify", "/bin/smcify"),
    ("tokio-echo", "/bin/tokio-echo"),
];

/// The name of the virtio-serial port that leads to the other of two guests.
pub const PEER_PORT: &str = "lab.peer";

/// What PID 1 is to do, as JSON at [`PLAN`].
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Plan {
    /// Modules to load, in this order, as absolute paths in the guest.
    pub modules: Vec<String>,
    /// The user EID to add to SMC's table; none: the table stays empty.
    pub ueid: Option<String>,
    /// Which of `nodes` guests this is, from 0.
    pub node: u8,
    /// How many guests share the network: 1 or 2.
    pub nodes: u8,
    /// Whether to put a soft-RoCE device on `eth0`.
    pub rxe: bool,
    /// What to run; an interactive shell when empty.
    pub command: Vec<String>,
    /// Where to run it.
    pub cwd: String,
    /// Additions to the command's environment.
    pub env: Vec<(String, String)>,
    /// Whether to look for leaks at the end.
    pub kmemleak: bool,
}

/// A line of `guest list --json`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Listed {
    /// The name that `guest check` takes.
    pub name: String,
    /// What it shows, in one line.
    pub shows: String,
    /// The kernels that it runs on: `fixed`, `vulnerable`, `plain`; none: it runs when it is named.
    pub kernels: Vec<String>,
    /// How many guests it needs.
    pub nodes: u8,
    /// Which others it may share a guest with: those that say the same.
    pub guest: String,
    /// Whether it waits more than it works.
    pub waits: bool,
    /// It takes less than this, even on a slow machine.
    pub minutes: u64,
    /// Whether it needs the image of real programs.
    pub programs: bool,
    /// Whether each kernel of `lab matrix` runs it.
    pub core: bool,
    /// The reports that the kernel must print meanwhile; it may print no other.
    pub expects: Vec<Expected>,
}

/// A report that a scenario provokes. An empty field is any.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Expected {
    /// What KASAN calls it, such as `slab-use-after-free`; of other reports, the kind: `Oops`.
    pub kind: String,
    /// `Read` or `Write`.
    pub access: String,
    /// The function that the report names in its title, or in which it happened.
    pub function: String,
    /// A function on the stack that freed the object, or that gave it to RCU to be freed.
    pub freed_by: String,
    /// Whether it may also not come.
    pub optional: bool,
}

/// What `guest demo` prints behind `demo: `, one line for each program.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Shown {
    /// Whether smcify was loaded, with `default` at `smc`.
    pub loaded: bool,
    /// Which program ran.
    pub program: String,
    /// What it asked the kernel for.
    pub asked: String,
    /// What carried its bytes, of both sides.
    pub got: String,
    /// How many went, each way.
    pub bytes: u64,
}

/// What precedes a [`Tried`] in the notes of a scenario.
pub const TRIED: &str = "tried: ";

/// How a real program went, as JSON in a line behind [`TRIED`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tried {
    pub program: String,
    /// Of its Debian package; nothing for what is ours alone.
    pub version: String,
    /// Whether it opens the same number of connections each time.
    pub steady: bool,
    /// How it went with TCP.
    pub tcp: Outcome,
    /// How it went under `smcify run`.
    pub smcify: Outcome,
    /// Where the two differ, and why connections under `smcify run` were not SMC.
    pub differences: Vec<Difference>,
}

/// Something of a program that is not the same with TCP and under `smcify run`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Difference {
    /// A test's name, `result`, `connections`, or the reason of a fallback.
    pub what: String,
    pub tcp: String,
    pub smcify: String,
    /// Whether it was gone when that alone was tried again: it depends on who is faster.
    pub race: bool,
}

/// How a real program went once.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether it went to its end without an error.
    pub good: bool,
    /// What came out, or the error.
    pub result: String,
    /// Connections that were opened, by whatever carried them then.
    pub opened: u64,
    /// Those of them that ran over SMC-D.
    pub smcd: u64,
    /// Those of them that ran over SMC-R.
    pub smcr: u64,
    /// SMC sockets that were connected by TCP, of both sides.
    pub fallbacks: Vec<Fallback>,
}

/// SMC sockets of one side that fell back for one reason.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fallback {
    /// Whether they were the listening side's.
    pub server: bool,
    pub reason: String,
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn a_plan_survives_the_way_into_the_guest() {
        let plan = Plan {
            modules: vec!["/lib/modules/7.2.12/smc.ko".into()],
            ueid: Some("SMCIFY-LAB".into()),
            nodes: 2,
            ..Plan::default()
        };
        let text = serde_json::to_string(&plan).expect("a plan is JSON");
        let back: Plan = serde_json::from_str(&text).expect("JSON is a plan");
        assert_eq!(back.modules, plan.modules);
        assert_eq!(back.ueid, plan.ueid);
        assert_eq!(back.nodes, 2);
    }
}
