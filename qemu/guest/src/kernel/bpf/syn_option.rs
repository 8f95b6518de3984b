// SPDX-License-Identifier: GPL-2.0
//! A BPF program on a cgroup's sockets that puts the SMC option into the SYN of each TCP
//! connection that is made, as the kernel does for SMC sockets.

use super::EXIT;
use super::SET;
use super::UNLESS;
use super::bpf_fd;
use super::load;
use super::op;
use super::zeroed;
use anyhow::Context;
use anyhow::Result;
use aya_obj::generated::bpf_attach_type::BPF_CGROUP_SOCK_OPS;
use aya_obj::generated::bpf_cmd;
use aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_SOCK_OPS;
use std::fs::File;
use std::io::Error;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

/// The experimental TCP option of RFC 7609: kind, length, "SMCR" in EBCDIC.
const OPTION: [u8; 6] = [254, 6, 0xe2, 0xd4, 0xc3, 0xd9];

/// All processes are below.
const CGROUP: &str = "/sys/fs/cgroup";

/// The attached program; detached when dropped.
pub struct SynOption {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl SynOption {
    /// From here on, whoever connects by TCP says that it can do SMC.
    pub fn attach() -> Result<Self> {
        let program = load(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 0, &program())
            .context("BPF program")?;
        let cgroup = File::open(CGROUP).context(CGROUP)?;
        let link =
            link(&program, &cgroup).context("BPF link: has this kernel CONFIG_CGROUP_BPF?")?;
        Ok(Self {
            _program: program,
            _link: link,
        })
    }
}

fn link(program: &OwnedFd, cgroup: &File) -> Result<OwnedFd, Error> {
    let mut attr = zeroed();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.__bindgen_anon_2.target_fd = cgroup.as_raw_fd() as u32;
    attr.link_create.attach_type = BPF_CGROUP_SOCK_OPS as u32;
    bpf_fd(bpf_cmd::BPF_LINK_CREATE, &mut attr)
}

/// The program. Its context is a `struct bpf_sock_ops`, whose first word says why it runs.
fn program() -> Vec<u64> {
    const LOAD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
    const STORE: u8 = 0x63; // BPF_STX | BPF_MEM | BPF_W
    const STORE_HALF: u8 = 0x6b; // BPF_STX | BPF_MEM | BPF_H
    const COPY: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
    const ADD: u8 = 0x07; // BPF_ALU64 | BPF_ADD | BPF_K
    const CALL: u8 = 0x85; // BPF_JMP | BPF_CALL

    // `enum bpf_func_id`, and why the program may run.
    const SOCK_OPS_CB_FLAGS_SET: i32 = 59;
    const STORE_HDR_OPT: i32 = 143;
    const RESERVE_HDR_OPT: i32 = 144;
    const TCP_CONNECT_CB: i32 = 3;
    const ACTIVE_ESTABLISHED_CB: i32 = 4;
    const HDR_OPT_LEN_CB: i32 = 14;
    const WRITE_HDR_OPT_CB: i32 = 15;
    const WRITE_HDR_OPT_CB_FLAG: i32 = 1 << 6;

    let [a, b, c, d, e, f] = OPTION;
    let length = OPTION.len() as i32;
    vec![
        op(COPY, 6, 1, 0, 0),
        op(LOAD, 7, 1, 0, 0),
        // The SYN is about to be made: ask to be called for its options.
        op(UNLESS, 7, 0, 2, TCP_CONNECT_CB),
        op(SET, 2, 0, 0, WRITE_HDR_OPT_CB_FLAG),
        op(CALL, 0, 0, 0, SOCK_OPS_CB_FLAGS_SET),
        // Connected: no option from now on. The context is in r6, since calls clobber r1.
        op(UNLESS, 7, 0, 3, ACTIVE_ESTABLISHED_CB),
        op(COPY, 1, 6, 0, 0),
        op(SET, 2, 0, 0, 0),
        op(CALL, 0, 0, 0, SOCK_OPS_CB_FLAGS_SET),
        op(UNLESS, 7, 0, 4, HDR_OPT_LEN_CB),
        op(COPY, 1, 6, 0, 0),
        op(SET, 2, 0, 0, length),
        op(SET, 3, 0, 0, 0),
        op(CALL, 0, 0, 0, RESERVE_HDR_OPT),
        op(UNLESS, 7, 0, 10, WRITE_HDR_OPT_CB),
        op(SET, 2, 0, 0, i32::from_le_bytes([a, b, c, d])),
        op(STORE, 10, 2, -8, 0),
        op(SET, 2, 0, 0, i32::from_le_bytes([e, f, 0, 0])),
        op(STORE_HALF, 10, 2, -4, 0),
        op(COPY, 1, 6, 0, 0),
        op(COPY, 2, 10, 0, 0),
        op(ADD, 2, 0, 0, -8),
        op(SET, 3, 0, 0, length),
        op(SET, 4, 0, 0, 0),
        op(CALL, 0, 0, 0, STORE_HDR_OPT),
        op(SET, 0, 0, 0, 1),
        op(EXIT, 0, 0, 0, 0),
    ]
}
