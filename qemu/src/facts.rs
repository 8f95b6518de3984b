// SPDX-License-Identifier: GPL-2.0
//! What a page was made with.

use anyhow::Context;
use anyhow::Result;
use setup::Root;

/// A name and a value.
pub type Fact = (&'static str, String);

/// The day, as in 2026-11-26.
pub fn day(root: &Root) -> Result<String> {
    said(root, "date", &["-u", "+%F"])
}

/// The first line of what a program of the root says.
fn said(root: &Root, program: &str, arguments: &[&str]) -> Result<String> {
    let output = root.command(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_string())
}

/// When, and by which programs; what is particular goes in between.
pub fn facts(root: &Root, between: Vec<Fact>) -> Result<Vec<Fact>> {
    let said = |program, arguments: &[&str]| said(root, program, arguments);
    let mut facts = vec![("Date", said("date", &["-u", "+%-d %B %Y, %H:%M UTC"])?)];
    facts.extend(between);
    facts.extend([
        ("smcify", env!("CARGO_PKG_VERSION").to_string()),
        ("C compiler", said("clang-19", &["--version"])?),
        ("Rust compiler", said("rustc", &["--version"])?),
        ("Emulator", said("qemu-system-x86_64", &["--version"])?),
    ]);
    Ok(facts)
}
