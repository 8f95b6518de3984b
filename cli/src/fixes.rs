// SPDX-License-Identifier: GPL-2.0
//! The live fixes, as the module lists them.

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

impl Fix {
    /// Whether it is in force.
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Whether the running code does not have the bug.
    pub fn is_needless(&self) -> bool {
        matches!(self.state.as_str(), "not needed" | "absent")
    }
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
