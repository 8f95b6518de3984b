// SPDX-License-Identifier: GPL-2.0
//! What `make KDIR=…` says of a kernel build that lacks something, before anything is compiled.

use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use setup::Built;
use setup::Root;

use crate::tally::Failure;
use crate::tally::Tally;

/// What is lacking, as make is told; and what is to be said of it.
const CASES: [(&str, &str); 7] = [
    ("VERSION=6 PATCHLEVEL=15", "it takes 6.16 or later"),
    ("CONFIG_SMC=", "the kernel lacks CONFIG_SMC:"),
    ("metadata=rust/absent.rmeta", "no rust/absent.rmeta in "),
    ("RUSTC=/usr/bin/bindgen", "and /usr/bin/bindgen is bindgen"),
    ("RUSTC=/nonexistent", "no /nonexistent: install rustc "),
    ("BINDGEN=/nonexistent", "no /nonexistent: install it"),
    ("CC=gcc", "the kernel was built by clang and gcc is none"),
];

/// Asks for each, of a kernel that is built by clang and lacks nothing, in the directory `dir`.
pub fn test(root: &Root, built: &Built, dir: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for (lack, expected) in CASES {
        let mut make = root.command("make");
        make.arg("-C").arg(setup::checkout());
        make.arg(format!("KDIR={}", built.dir.display()));
        make.arg(format!("MO={}", dir.join("preflight").display()));
        make.args(lack.split(' '));
        let output = make.output().context("cannot run make")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let ours = |line: &&str| line.starts_with("smcify: ");
        let says = said
            .lines()
            .filter(ours)
            .any(|line| line.contains(expected));
        let compiles = said.lines().any(|line| line.contains(" [M] "));
        match says && !compiles && !output.status.success() {
            true => tally.passed += 1,
            false => {
                let said = said.lines().map(str::to_string).collect();
                tally.fail(Failure::new("make", &format!("with {lack}"), said));
            }
        }
    }
    Ok(tally)
}
