// SPDX-License-Identifier: GPL-2.0
//! bpf(2), for the guest's programs, which are written by hand.

pub mod cgroup_rule;
pub mod fmod_ret;
pub mod syn_option;

use anyhow::Context;
use anyhow::Result;
use aya_obj::generated::bpf_attach_type;
use aya_obj::generated::bpf_attr;
use aya_obj::generated::bpf_cmd;
use aya_obj::generated::bpf_map_type;
use aya_obj::generated::bpf_prog_type;
use std::io::Error;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

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

/// A map of a kind, of elements of so many bytes each.
fn new_map(kind: bpf_map_type, key: u32, value: u32, entries: u32) -> Result<OwnedFd, Error> {
    let mut attr = zeroed();
    // SAFETY: writing to plain fields of a union of plain structs.
    let map = unsafe { &mut attr.__bindgen_anon_1 };
    map.map_type = kind as u32;
    map.key_size = key;
    map.value_size = value;
    map.max_entries = entries;
    bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr)
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of plain structs, for which all zeroes are valid.
    unsafe { std::mem::zeroed() }
}

/// Loads a program of a kind, to be attached as said; to the function with this BTF id, or
/// to none if it is 0.
fn load(
    kind: bpf_prog_type,
    attach: bpf_attach_type,
    function: u32,
    instructions: &[u64],
) -> Result<OwnedFd> {
    let mut log = vec![0_u8; 16 << 10];
    let mut attr = zeroed();
    // SAFETY: writing to plain fields of a union of plain structs.
    let program = unsafe { &mut attr.__bindgen_anon_3 };
    program.prog_type = kind as u32;
    program.expected_attach_type = attach as u32;
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
            "" => "refused before it was read: is its kind in this kernel's configuration?".into(),
            said => format!("the verifier says: {said}"),
        }
    })
}

/// One instruction: `code`, destination and source register, offset, immediate.
const fn op(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> u64 {
    code as u64
        | (dst as u64 | (src as u64) << 4) << 8
        | (off as u16 as u64) << 16
        | (imm as u32 as u64) << 32
}

const SET: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const UNLESS: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT
