// SPDX-License-Identifier: GPL-2.0
//! OpenSSH: a file there by scp, and back.

use super::Run;
use super::Server;
use super::Trial;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::create_dir_all;
use std::fs::read;
use std::fs::write;

const PORT: u16 = 2222;
/// Of the host and of the user, both: the image has it.
const KEY: &str = "/opt/smcify/ssh.key";
/// 64 MiB, which go both ways.
const BLOCKS: u32 = 4 << 20;

/// The trial.
pub const OPENSSH: Trial = Trial {
    name: "OpenSSH",
    package: "openssh-server",
    steady: true,
    server,
    client,
};

fn server(run: &Run) -> Result<Vec<Server>> {
    create_dir_all(within("/run/sshd")).context("/run/sshd")?;
    let (port, keys) = (PORT.to_string(), format!("AuthorizedKeysFile={KEY}.pub"));
    let words = [
        "/usr/sbin/sshd",
        "-De",
        "-f",
        "/dev/null",
        "-p",
        &port,
        "-h",
        KEY,
        "-o",
        &keys,
        "-o",
        "StrictModes=no",
        "-o",
        "PermitRootLogin=yes",
        "-o",
        "UsePAM=no",
        "-o",
        "Subsystem=sftp internal-sftp",
    ];
    Ok(vec![run.serve(&words, PORT)?])
}

fn client(run: &Run) -> Result<String> {
    let sent: Vec<u8> = (0..BLOCKS)
        .flat_map(|i| format!("{i:015}\n").into_bytes())
        .collect();
    write(within("/tmp/sent"), &sent).context("/tmp/sent")?;
    let (port, there) = (PORT.to_string(), format!("root@{}:/tmp/there", run.host()));
    let scp = |from: &str, to: &str| {
        let options = [
            "-P",
            &port,
            "-i",
            KEY,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ];
        run.ask(&[&["scp", "-q"], options.as_slice(), &[from, to]].concat())
    };
    scp("/tmp/sent", &there)?;
    scp(&there, "/tmp/back")?;
    let back = read(within("/tmp/back")).context("/tmp/back")?;
    ensure!(back == sent, "not the bytes that were sent");
    Ok(format!("{} bytes there and back", back.len()))
}
