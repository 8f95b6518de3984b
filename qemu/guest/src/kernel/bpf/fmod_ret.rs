// SPDX-License-Identifier: GPL-2.0
//! A BPF `fmod_ret` program on the same function as smcify's hook. It counts its calls for IPv4,
//! and makes an MPTCP socket of what asks for [`MAGIC`].

use super::EXIT;
use super::SET;
use super::UNLESS;
use super::bpf;
use super::bpf_fd;
use super::load;
use super::new_map;
use super::op;
use super::zeroed;
use anyhow::Context;
use anyhow::Result;
use aya_obj::btf::Btf;
use aya_obj::btf::BtfKind;
use aya_obj::generated::bpf_attach_type::BPF_MODIFY_RETURN;
use aya_obj::generated::bpf_cmd;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_TRACING;
use std::io::Error;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// A protocol that no one else has: one of those for experiments.
pub const MAGIC: i32 = 253;
/// What smcify makes of a request for TCP.
const IPPROTO_SMCIFY: i32 = 257;
/// What the program makes of it.
pub const IPPROTO_MPTCP: i32 = 262;

const FUNCTION: &str = "update_socket_protocol";

/// What the program has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Calls of the function for IPv4: in a guest with daemons these are only the test's.
    pub calls: u64,
    /// Those whose protocol argument was smcify's by then.
    pub smc: u64,
}

/// A program on that function; detached when dropped.
pub struct Program {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Program {
    /// Loads and attaches a program.
    pub fn attach(instructions: &[u64]) -> Result<Self> {
        let btf = Btf::from_sys_fs().context("the kernel's BTF")?;
        let function = btf
            .id_by_type_name_kind(FUNCTION, BtfKind::Func)
            .with_context(|| format!("BTF of {FUNCTION}"))?;
        let program = load(
            BPF_PROG_TYPE_TRACING,
            BPF_MODIFY_RETURN,
            function,
            instructions,
        )
        .context("BPF program")?;
        let link = link(&program).context("BPF link")?;
        Ok(Self {
            _program: program,
            _link: link,
        })
    }
}

/// The attached program that counts.
pub struct Attached {
    counts: OwnedFd,
    _program: Program,
}

impl Attached {
    /// Loads and attaches the program.
    pub fn attach() -> Result<Self> {
        // One element, the two numbers of [`Seen`].
        let counts = new_map(BPF_MAP_TYPE_ARRAY, 4, 16, 1).context("BPF map")?;
        let program = Program::attach(&program(counts.as_raw_fd()))?;
        Ok(Self {
            counts,
            _program: program,
        })
    }

    /// What it has counted so far.
    pub fn seen(&self) -> Result<Seen> {
        let (key, mut value) = (0_u32, [0_u64; 2]);
        let mut attr = zeroed();
        // SAFETY: writing to a plain field of a union of plain structs.
        let elem = unsafe { &mut attr.__bindgen_anon_2 };
        elem.map_fd = self.counts.as_raw_fd() as u32;
        elem.key = &raw const key as u64;
        elem.__bindgen_anon_1.value = &raw mut value as u64;
        bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr)?;
        let [calls, smc] = value;
        Ok(Seen { calls, smc })
    }
}

fn link(program: &OwnedFd) -> Result<OwnedFd, Error> {
    let mut attr = zeroed();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr)
}

/// The program: its context is the array of the function's arguments.
fn program(counts: i32) -> Vec<u64> {
    const LOAD: u8 = 0x79; // BPF_LDX | BPF_MEM | BPF_DW
    const ADDRESS: u8 = 0x18; // BPF_LD | BPF_IMM | BPF_DW
    const ADD: u8 = 0xdb; // BPF_STX | BPF_ATOMIC | BPF_DW
    const MAP_VALUE: u8 = 2; // BPF_PSEUDO_MAP_VALUE
    vec![
        op(LOAD, 6, 1, 0, 0),
        op(LOAD, 7, 1, 8, 0),
        op(LOAD, 8, 1, 16, 0),
        op(UNLESS, 6, 0, 6, libc::AF_INET),
        op(ADDRESS, 1, MAP_VALUE, 0, counts),
        op(0, 0, 0, 0, 0),
        op(SET, 2, 0, 0, 1),
        op(ADD, 1, 2, 0, 0),
        op(UNLESS, 8, 0, 1, IPPROTO_SMCIFY),
        op(ADD, 1, 2, 8, 0),
        // Returning 0 leaves the function itself to answer.
        op(SET, 0, 0, 0, 0),
        op(UNLESS, 6, 0, 3, libc::AF_INET),
        op(UNLESS, 7, 0, 2, libc::SOCK_STREAM),
        op(UNLESS, 8, 0, 1, MAGIC),
        op(SET, 0, 0, 0, IPPROTO_MPTCP),
        op(EXIT, 0, 0, 0, 0),
    ]
}
