// SPDX-License-Identifier: GPL-2.0
//! A BPF `fmod_ret` program that does what a rule of smcify about a cgroup does: what tasks
//! of the cgroups in a hash map ask for as TCP becomes SMC.

use super::EXIT;
use super::SET;
use super::UNLESS;
use super::bpf;
use super::fmod_ret::Program;
use super::new_map;
use super::op;
use super::zeroed;
use anyhow::Context;
use anyhow::Result;
use aya_obj::generated::bpf_cmd;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_HASH;
use std::io::Error;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// As many cgroups as there is room for.
const ROOM: u32 = 1024;

/// The attached program; detached when dropped.
pub struct CgroupRule {
    _program: Program,
    _map: OwnedFd,
}

impl CgroupRule {
    /// From here on, tasks of the cgroup with this id are given SMC.
    pub fn attach(cgroup: u64) -> Result<Self> {
        let map = new_map(BPF_MAP_TYPE_HASH, 8, 4, ROOM).context("BPF map")?;
        insert(&map, cgroup).context("BPF map")?;
        let program = Program::attach(&program(map.as_raw_fd()))?;
        Ok(Self {
            _program: program,
            _map: map,
        })
    }
}

fn insert(map: &OwnedFd, cgroup: u64) -> Result<(), Error> {
    let (key, value) = (cgroup, 1_u32);
    let mut attr = zeroed();
    // SAFETY: writing to plain fields of a union of plain structs.
    let elem = unsafe { &mut attr.__bindgen_anon_2 };
    elem.map_fd = map.as_raw_fd() as u32;
    elem.key = &raw const key as u64;
    elem.__bindgen_anon_1.value = &raw const value as u64;
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// The program: its context is the array of the function's arguments.
fn program(map: i32) -> Vec<u64> {
    const LOAD: u8 = 0x79; // BPF_LDX | BPF_MEM | BPF_DW
    const STORE: u8 = 0x7b; // BPF_STX | BPF_MEM | BPF_DW
    const ADDRESS: u8 = 0x18; // BPF_LD | BPF_IMM | BPF_DW
    const COPY: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
    const ADD: u8 = 0x07; // BPF_ALU64 | BPF_ADD | BPF_K
    const AND: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
    const IF: u8 = 0x16; // BPF_JMP32 | BPF_JEQ | BPF_K
    const IF_LONG: u8 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const CALL: u8 = 0x85; // BPF_JMP | BPF_CALL
    const MAP_FD: u8 = 1; // BPF_PSEUDO_MAP_FD
    // `enum bpf_func_id`.
    const MAP_LOOKUP_ELEM: i32 = 1;
    const GET_CURRENT_CGROUP_ID: i32 = 80;
    const IPPROTO_SMC: i32 = 256;

    vec![
        op(LOAD, 2, 1, 0, 0),
        op(LOAD, 3, 1, 8, 0),
        op(LOAD, 4, 1, 16, 0),
        // Returning 0 leaves the function itself to answer.
        op(SET, 0, 0, 0, 0),
        op(IF, 2, 0, 1, libc::AF_INET),
        op(UNLESS, 2, 0, 13, libc::AF_INET6),
        op(AND, 3, 0, 0, 0xf),
        op(UNLESS, 3, 0, 11, libc::SOCK_STREAM),
        op(IF, 4, 0, 1, 0),
        op(UNLESS, 4, 0, 9, libc::IPPROTO_TCP),
        op(CALL, 0, 0, 0, GET_CURRENT_CGROUP_ID),
        op(STORE, 10, 0, -8, 0),
        op(COPY, 2, 10, 0, 0),
        op(ADD, 2, 0, 0, -8),
        op(ADDRESS, 1, MAP_FD, 0, map),
        op(0, 0, 0, 0, 0),
        op(CALL, 0, 0, 0, MAP_LOOKUP_ELEM),
        op(IF_LONG, 0, 0, 1, 0),
        op(SET, 0, 0, 0, IPPROTO_SMC),
        op(EXIT, 0, 0, 0, 0),
    ]
}
