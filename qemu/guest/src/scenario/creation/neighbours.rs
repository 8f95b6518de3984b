// SPDX-License-Identifier: GPL-2.0
//! Others on the same function: a BPF `fmod_ret` program and a livepatch, there before
//! smcify and after it. All are honoured, and none keeps another from coming or going.

use super::switch::IPPROTO_SMC;
use super::switch::IPPROTO_TCP;
use super::switch::open;
use crate::kernel::bpf::fmod_ret;
use crate::kernel::bpf::fmod_ret::Attached;
use crate::kernel::bpf::fmod_ret::Seen;
use crate::kernel::facts::since;
use crate::kernel::livepatch::Patched;
use crate::kernel::livepatch::SOCKET_PROTOCOL;
use crate::scenario::Report;
use crate::scenario::same;
use crate::smcify;
use crate::smcify::Smcify;
use anyhow::Result;
use nix::errno::Errno;

/// How many sockets each check opens that ask for TCP.
const SOCKETS: u64 = 10;

/// Who is there.
#[derive(Default)]
struct There {
    smcify: Option<Smcify>,
    bpf: Option<Attached>,
    livepatch: Option<Patched>,
}

/// The scenario.
pub fn run(report: &mut Report) -> Result<()> {
    let mut there = There::default();
    there.check(report, "nobody");
    there.bpf = Some(Attached::attach()?);
    there.check(report, "BPF");
    there.livepatch = Some(Patched::load(SOCKET_PROTOCOL)?);
    there.check(report, "BPF, livepatch");
    there.smcify = Some(switched_on()?);
    there.check(report, "BPF, livepatch, then smcify");
    there.bpf = None;
    there.check(report, "BPF gone first");
    there.remove_livepatch(report, "the livepatch goes, smcify stays");
    there.check(report, "livepatch gone next");

    there.livepatch = Some(Patched::load(SOCKET_PROTOCOL)?);
    there.check(report, "smcify, then livepatch");
    there.add_bpf(report)?;
    there.check(report, "smcify, then livepatch and BPF");
    there.remove_smcify(report, "smcify goes, the others stay");
    there.check(report, "smcify gone first");
    there.smcify = Some(switched_on()?);
    there.check(report, "smcify back among them");
    there.remove_smcify(report, "smcify goes again");
    there.remove_livepatch(report, "the livepatch goes");
    there.bpf = None;
    there.check(report, "nobody again");
    report.check("nothing is hooked", smcify::nothing_left());
    report.check(
        "without smcify: BPF on a patched function",
        follows_indeed(),
    );
    Ok(())
}

/// Whether this kernel can attach a BPF program to a function that is patched already.
/// Linux 7.2 can. 6.16 cannot: `EBUSY`, and from then on with no livepatch either.
fn follows() -> Result<bool> {
    since(7, 2)
}

/// That this is so without smcify, too. Comes last, since it spoils the function.
fn follows_indeed() -> Result<()> {
    let patched = Patched::load(SOCKET_PROTOCOL)?;
    let attached = Attached::attach().map(drop);
    patched.remove()?;
    let expected = match follows()? {
        true => None,
        false => Some(libc::EBUSY),
    };
    same("errno", expected, attached.err().as_ref().and_then(errno))
}

/// The error of the system call that is at the bottom of `error`.
fn errno(error: &anyhow::Error) -> Option<i32> {
    let io = error.root_cause().downcast_ref::<std::io::Error>()?;
    io.raw_os_error()
}

fn switched_on() -> Result<Smcify> {
    let smcify = Smcify::load()?;
    smcify.set_default("smc")?;
    Ok(smcify)
}

impl There {
    /// Attaches the BPF program beside a livepatch: after it where the kernel can.
    fn add_bpf(&mut self, report: &mut Report) -> Result<()> {
        if follows()? {
            self.bpf = Some(Attached::attach()?);
            return Ok(());
        }
        self.remove_livepatch(report, "the livepatch makes room for BPF");
        self.bpf = Some(Attached::attach()?);
        self.livepatch = Some(Patched::load(SOCKET_PROTOCOL)?);
        Ok(())
    }

    fn remove_smcify(&mut self, report: &mut Report, name: &str) {
        let gone = self.smcify.take().map_or(Ok(()), Smcify::unload);
        report.check(name, gone);
    }

    fn remove_livepatch(&mut self, report: &mut Report, name: &str) {
        let gone = self.livepatch.take().map_or(Ok(()), Patched::remove);
        report.check(name, gone);
    }

    fn check(&self, report: &mut Report, name: &str) {
        report.check(format!("{name}: all honoured"), self.honoured());
    }

    fn counts(&self) -> Result<(Seen, u64)> {
        let seen = self
            .bpf
            .as_ref()
            .map_or(Ok(Seen::default()), Attached::seen)?;
        let calls = self.livepatch.as_ref().map_or(Ok(0), Patched::calls)?;
        Ok((seen, calls))
    }

    /// Opens sockets, and expects each neighbour to have done its part.
    fn honoured(&self) -> Result<()> {
        let (seen, calls) = self.counts()?;
        for _ in 0..SOCKETS {
            let expected = match self.smcify {
                Some(_) => IPPROTO_SMC,
                None => IPPROTO_TCP,
            };
            let found = protocol(IPPROTO_TCP);
            same("the protocol of what asks for TCP", Ok(expected), found)?;
        }
        let expected = match self.bpf {
            Some(_) => Ok(fmod_ret::IPPROTO_MPTCP),
            None => Err(Errno::EPROTONOSUPPORT),
        };
        same(
            "the protocol of what BPF waits for",
            expected,
            protocol(fmod_ret::MAGIC),
        )?;

        let (seen_now, calls_now) = self.counts()?;
        let expected = Seen {
            calls: self.bpf.as_ref().map_or(0, |_| SOCKETS + 1),
            smc: self
                .smcify
                .as_ref()
                .and(self.bpf.as_ref())
                .map_or(0, |_| SOCKETS),
        };
        let counted = Seen {
            calls: seen_now.calls - seen.calls,
            smc: seen_now.smc - seen.smc,
        };
        same("what the BPF program saw", expected, counted)?;
        // What BPF answers itself does not reach the function, nor a livepatch of it.
        let answered = self.bpf.as_ref().map_or(0, |_| 1);
        let expected = self
            .livepatch
            .as_ref()
            .map_or(0, |_| SOCKETS + 1 - answered);
        same("what the livepatch saw", expected, calls_now - calls)
    }
}

fn protocol(asked: i32) -> Result<i32, Errno> {
    open(libc::AF_INET, libc::SOCK_STREAM, asked)
        .and_then(|socket| socket.protocol())
        .map(|protocol| protocol.map_or(0, i32::from))
        .map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(0)))
}
