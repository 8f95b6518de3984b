// SPDX-License-Identifier: GPL-2.0
//! A BPF `fmod_ret` program on the same function as smcify's hook. It counts its calls, and
//! makes an MPTCP socket of what asks for [`MAGIC`].

use anyhow::Context;
use anyhow::Result;
use aya_obj::btf::Btf;
use aya_obj::btf::BtfKind;
use aya_obj::generated::bpf_attach_type::BPF_MODIFY_RETURN;
use aya_obj::generated::bpf_attr;
use aya_obj::generated::bpf_cmd;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_TRACING;
use std::io::Error;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

/// A protocol that no one else has: one of those for experiments.
pub const MAGIC: i32 = 253;
/// What the program makes of it.
pub const IPPROTO_MPTCP: i32 = 262;

const FUNCTION: &str = "update_socket_protocol";

/// What the program has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Calls of the function.
    pub calls: u64,
    /// Those whose protocol argument was `IPPROTO_SMC` by then.
    pub smc: u64,
}

/// The attached program; detached when dropped.
pub struct Attached {
    counts: OwnedFd,
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Attached {
    /// Loads and attaches the program.
    pub fn attach() -> Result<Self> {
        let counts = new_counts().context("BPF map")?;
        let program = load(&program(counts.as_raw_fd())).context("BPF program")?;
        let link = link(&program).context("BPF link")?;
        Ok(Self {
            counts,
            _program: program,
            _link: link,
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

/// bpf(2).
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> Result<i64, Error> {
    // SAFETY: `attr` is as large as said, and its pointers are those of live buffers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_int,
            &raw mut *attr,
            size_of::<bpf_attr>(),
        )
    };
    match result {
        0.. => Ok(result),
        _ => Err(Error::last_os_error()),
    }
}

/// bpf(2) for a command that returns a descriptor.
fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> Result<OwnedFd, Error> {
    let fd = bpf(command, attr)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of plain structs, for which all zeroes are valid.
    unsafe { std::mem::zeroed() }
}

/// An array of one element, the two numbers of [`Seen`].
fn new_counts() -> Result<OwnedFd, Error> {
    let mut attr = zeroed();
    // SAFETY: writing to a plain field of a union of plain structs.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = BPF_MAP_TYPE_ARRAY as u32;
    map.key_size = 4;
    map.value_size = 16;
    map.max_entries = 1;
    bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr)
}

fn load(instructions: &[u64]) -> Result<OwnedFd> {
    let btf = Btf::from_sys_fs().context("the kernel's BTF")?;
    let function = btf
        .id_by_type_name_kind(FUNCTION, BtfKind::Func)
        .with_context(|| format!("BTF of {FUNCTION}"))?;
    let mut log = vec![0_u8; 16 << 10];
    let mut attr = zeroed();
    // SAFETY: writing to plain fields of a union of plain structs.
    let program = unsafe { &mut attr.__bindgen_anon_3 };
    program.prog_type = BPF_PROG_TYPE_TRACING as u32;
    program.expected_attach_type = BPF_MODIFY_RETURN as u32;
    program.attach_btf_id = function;
    program.insns = instructions.as_ptr() as u64;
    program.insn_cnt = instructions.len() as u32;
    program.license = c"GPL".as_ptr() as u64;
    program.log_level = 1;
    program.log_buf = log.as_mut_ptr() as u64;
    program.log_size = log.len() as u32;
    let loaded = bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr);
    loaded.with_context(|| {
        let text = String::from_utf8_lossy(&log);
        match text.trim_end_matches('\0') {
            "" => "refused before it was read: has this kernel CONFIG_BPF_EVENTS?".to_owned(),
            said => format!("the verifier says: {said}"),
        }
    })
}

fn link(program: &OwnedFd) -> Result<OwnedFd, Error> {
    let mut attr = zeroed();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr)
}

/// One instruction: `code`, destination and source register, offset, immediate.
const fn op(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> u64 {
    code as u64
        | (dst as u64 | (src as u64) << 4) << 8
        | (off as u16 as u64) << 16
        | (imm as u32 as u64) << 32
}

/// The program: its context is the array of the function's arguments.
fn program(counts: i32) -> Vec<u64> {
    const LOAD: u8 = 0x79; // BPF_LDX | BPF_MEM | BPF_DW
    const ADDRESS: u8 = 0x18; // BPF_LD | BPF_IMM | BPF_DW
    const SET: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
    const ADD: u8 = 0xdb; // BPF_STX | BPF_ATOMIC | BPF_DW
    const UNLESS: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
    const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT
    const MAP_VALUE: u8 = 2; // BPF_PSEUDO_MAP_VALUE
    vec![
        op(LOAD, 6, 1, 0, 0),
        op(LOAD, 7, 1, 8, 0),
        op(LOAD, 8, 1, 16, 0),
        op(ADDRESS, 1, MAP_VALUE, 0, counts),
        op(0, 0, 0, 0, 0),
        op(SET, 2, 0, 0, 1),
        op(ADD, 1, 2, 0, 0),
        op(UNLESS, 8, 0, 1, 256),
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
