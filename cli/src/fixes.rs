// SPDX-License-Identifier: GPL-2.0
//! The live fixes, as the module lists them, and the bugs that they are for.

use crate::control::Control;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::Result;
use serde::Serialize;

/// A live fix, as a line of the module's `fixes` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// The kernel's function.
    pub function: String,
    /// auto, on or off.
    pub mode: String,
    /// active, not needed, absent, busy or inactive.
    pub state: String,
}

/// All of them.
pub fn read(control: &Control) -> Result<Vec<Fix>> {
    parse(&control.read("fixes")?)
}

fn parse(text: &str) -> Result<Vec<Fix>> {
    let parsed = text.lines().map(|line| {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [function, mode, state] = words[..] else {
            return Err(Failure::new(
                Kind::Failed,
                "understand smcify's list of fixes",
                format!("the line {line:?}"),
                "load a module of the same version as this command: rmmod smcify; modprobe smcify",
            ));
        };
        Ok(Fix {
            function: function.into(),
            mode: mode.into(),
            state: state.into(),
        })
    });
    parsed.collect()
}

/// What goes wrong in a function that has a fix.
pub fn bug(function: &str) -> &'static str {
    match function {
        "smc_ulp_init" => {
            "TCP_ULP \"smc\" exchanges the inode under an open file: any program can have freed \
             memory written to"
        }
        "smc_clc_prfx_match" => {
            "CVE-2025-40168: the prefix match of a CLC Proposal may use a network device that is \
             gone"
        }
        "smc_vlan_by_tcpsk" => "connecting while the egress device is deleted reads freed memory",
        "smc_pnet_find_ism_resource" | "smc_pnet_find_roce_resource" => {
            "looking for an SMC device while the egress device is deleted reads freed memory"
        }
        _ => "a bug that this version of the command does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_fix() {
        let text = "smc_ulp_init auto active\nsmc_vlan_by_tcpsk off not needed\n";
        let fixes = parse(text).expect("two fixes");
        assert_eq!(fixes.len(), 2);
        assert_eq!(fixes[1].state, "not needed");
        assert!(parse("smc_ulp_init auto").is_err());
        assert_eq!(parse(""), Ok(vec![]));
    }
}
