// SPDX-License-Identifier: GPL-2.0
//! What the compiler made of `smc_clc_prfx_match()`: whether its second read of
//! `dst->dev` is a load of its own.

use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use setup::Root;

use crate::ground::Bench;

const OBJECT: &str = "net/smc/smc_clc.o";
const FUNCTION: &str = "smc_clc_prfx_match";
/// The test outside the RCU section, as the source has it.
const FIRST: &str = "!dst->dev";
/// Where the RCU section begins.
const LOCK: &str = "__rcu_read_lock";
/// What is shown after the second load.
const AFTER: usize = 2;

/// The instructions from the first load to a little after the second.
#[derive(Debug)]
pub struct Disassembly {
    /// The offset of `dev` in `struct dst_entry`, in bytes.
    pub offset: usize,
    pub instructions: Vec<Instruction>,
}

#[derive(Debug, PartialEq)]
pub struct Instruction {
    pub address: String,
    pub text: String,
    /// The function that is called, where the linker fills it in.
    pub calls: Option<String>,
    /// File and line that it was compiled from.
    pub source: String,
    pub role: Role,
}

/// What an instruction is here for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    Other,
    FirstLoad,
    Lock,
    SecondLoad,
}

/// Reads the object code of the kernel of `bench`. An error if there are no two loads
/// with the beginning of the RCU section between them.
pub fn disassembly(root: &Root, bench: &Bench) -> Result<Disassembly> {
    let types = bench.built.dir.join("vmlinux");
    let offset = offset(&run(root, "pahole", &["-C", "dst_entry"], &types)?)?;
    let object = bench.built.dir.join(OBJECT);
    let only = format!("--disassemble-symbols={FUNCTION}");
    let arguments = ["--reloc", "--line-numbers", "--no-show-raw-insn", &only];
    let text = run(root, "llvm-objdump-19", &arguments, &object)?;
    let all = instructions(&text);
    let tests = |one: &Instruction| {
        let line = source_line(&bench.built.source, &one.source);
        line.is_some_and(|line| line.contains(FIRST))
    };
    excerpt(all, offset, tests)
}

fn run(root: &Root, program: &str, arguments: &[&str], object: &Path) -> Result<String> {
    let output = root.command(program).args(arguments).arg(object).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{program} {}: {}", object.display(), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of pahole's `struct net_device * dev; /* 0 8 */`, the 0.
fn offset(structure: &str) -> Result<usize> {
    let member = structure.lines().find(|line| line.contains(" dev;"));
    let numbers = member.and_then(|line| line.split_once("/*"));
    let first = numbers.and_then(|(_, numbers)| numbers.split_whitespace().next());
    first
        .and_then(|number| number.parse().ok())
        .context("pahole does not say where dst_entry has dev")
}

/// The instructions that llvm-objdump printed.
fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut source = String::new();
    for line in text.lines() {
        if let Some(place) = line.strip_prefix("; ") {
            source = place.to_string();
        } else if let Some((_, relocation)) = line.split_once("R_X86_64_") {
            let symbol = relocation.split_whitespace().nth(1);
            let symbol = symbol.and_then(|it| it.rsplit_once(['-', '+']));
            if let (Some((symbol, _)), Some(last)) = (symbol, found.last_mut()) {
                last.calls = Some(symbol.to_string());
            }
        } else if let Some((address, text)) = line.split_once(":") {
            let address = address.trim();
            if u64::from_str_radix(address, 16).is_ok() && !text.trim().is_empty() {
                found.push(Instruction {
                    address: address.to_string(),
                    text: text.trim().to_string(),
                    calls: None,
                    source: source.clone(),
                    role: Role::Other,
                });
            }
        }
    }
    found
}

/// Cuts out and marks what matters; `tests` knows the instructions of the NULL check.
fn excerpt(
    mut all: Vec<Instruction>,
    offset: usize,
    tests: impl Fn(&Instruction) -> bool,
) -> Result<Disassembly> {
    let begin = all.iter().position(&tests);
    let first = begin.and_then(|begin| {
        let same_line = all[begin..].iter().take_while(|one| tests(one));
        let mut loads = same_line
            .enumerate()
            .filter_map(|(at, one)| Some((begin + at, base(&one.text, offset)?)));
        let (at, register) = loads.next()?;
        Some((begin, at, register.to_string()))
    });
    let (begin, first, register) =
        first.with_context(|| format!("{FUNCTION} does not load dst->dev where it tests it"))?;
    let lock = position(&all, first, |one| one.calls.as_deref() == Some(LOCK))
        .with_context(|| format!("{FUNCTION} does not call {LOCK} after the test"))?;
    let second = position(&all, lock, |one| {
        base(&one.text, offset) == Some(register.as_str())
    })
    .with_context(|| format!("{FUNCTION} does not load dst->dev again under RCU"))?;
    all[first].role = Role::FirstLoad;
    all[lock].role = Role::Lock;
    all[second].role = Role::SecondLoad;
    all.truncate(second + 1 + AFTER);
    Ok(Disassembly {
        offset,
        instructions: all.split_off(begin),
    })
}

fn position(all: &[Instruction], after: usize, is: impl Fn(&Instruction) -> bool) -> Option<usize> {
    let found = all[after + 1..].iter().position(is);
    found.map(|at| after + 1 + at)
}

/// The register that points to the structure, if eight bytes are read from `offset` in it.
fn base(text: &str, offset: usize) -> Option<&str> {
    let (name, operands) = text.split_once('\t')?;
    let from = match name {
        "cmpq" => operands.split_once(", ")?.1,
        "movq" => operands.split_once(", ")?.0,
        _ => return None,
    };
    let (displacement, register) = from.strip_suffix(')')?.split_once('(')?;
    let displacement = match displacement.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok()?,
        None if displacement.is_empty() => 0,
        None => return None,
    };
    (displacement == offset && !register.contains(',')).then_some(register)
}

/// The line of the kernel's source that `place` names, as in `/…/net/smc/smc_clc.c:664`.
fn source_line(tree: &Path, place: &str) -> Option<String> {
    let (file, line) = place.rsplit_once(':')?;
    let file = Path::new(file).strip_prefix(tree).ok()?;
    let text = fs::read_to_string(tree.join(file)).ok()?;
    let line: usize = line.parse().ok()?;
    text.lines().nth(line.checked_sub(1)?).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
; /src/net/smc/smc_clc.c:664
    1249:      \tmovq\t%r12, %r15
    125a:      \tcmpb\t$0x0, (%r15,%rax)
    1264:      \tcallq\t0x1269 <smc_clc_prfx_match+0xb9>
\t\t0000000000001265:  R_X86_64_PLT32\t__asan_report_load8_noabort-0x4
    1269:      \tcmpq\t$0x0, (%r12)
    126e:      \tje\t0x15ce <smc_clc_prfx_match+0x41e>
; /src/include/linux/rcupdate.h:839
    1274:      \tcallq\t0x1279 <smc_clc_prfx_match+0xc9>
\t\t0000000000001275:  R_X86_64_PLT32\t__rcu_read_lock-0x4
; /src/net/smc/smc_clc.c:669
    129a:      \tmovzbl\t(%r14), %ebx
    12b7:      \tmovq\t(%r12), %r14
    12bb:      \ttestb\t%bl, %bl
    12bd:      \tmovq\t%r12, 0x50(%rsp)
    12c2:      \tje\t0x15d8 <smc_clc_prfx_match+0x428>
";

    fn tests(one: &Instruction) -> bool {
        one.source.ends_with(":664")
    }

    #[test]
    fn the_loads_are_found_on_both_sides_of_the_lock() {
        let found = excerpt(instructions(TEXT), 0, tests).expect("two loads");
        let roles: Vec<_> = found
            .instructions
            .iter()
            .filter(|one| one.role != Role::Other)
            .map(|one| (one.address.as_str(), one.role))
            .collect();
        assert_eq!(
            roles,
            [
                ("1269", Role::FirstLoad),
                ("1274", Role::Lock),
                ("12b7", Role::SecondLoad)
            ]
        );
        assert_eq!(found.instructions[0].address, "1249");
        assert_eq!(
            found.instructions.last().map(|it| &*it.address),
            Some("12bd")
        );
    }

    #[test]
    fn one_load_is_not_enough() {
        let once = TEXT.replace("movq\t(%r12), %r14", "movq\t%r13, %r14");
        let error = excerpt(instructions(&once), 0, tests).expect_err("one load");
        assert!(error.to_string().contains("again under RCU"), "{error}");
        assert!(excerpt(instructions(TEXT), 8, tests).is_err(), "not at 8");
    }

    #[test]
    fn pahole_says_where_the_member_is() {
        let text = "struct dst_entry {\n\tunion {\n\tstruct net_device *        dev;                  /*     0     8 */\n";
        assert_eq!(offset(text).expect("it is there"), 0);
        assert!(offset("struct dst_entry {").is_err());
    }

    #[test]
    fn displacements_are_hexadecimal() {
        assert_eq!(base("movq\t0x10(%rbx), %rax", 16), Some("%rbx"));
        assert_eq!(base("movq\t%rbx, 0x10(%rax)", 16), None);
        assert_eq!(base("movzbl\t(%rbx), %eax", 0), None);
    }
}
