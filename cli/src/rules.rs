// SPDX-License-Identifier: GPL-2.0
//! `smcify rule`: adding, removing and listing rules.

use crate::args::Selector;
use crate::control::Added;
use crate::control::Control;
use crate::control::Entry;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::Result;
use crate::names;
use crate::names::Names;
use crate::output::Shown;
use crate::output::lines;
use crate::output::table;
use crate::rule::Action;
use comfy_table::Cell;
use comfy_table::CellAlignment;
use serde::Serialize;

/// A rule after `add`.
#[derive(Debug, Serialize)]
pub struct Made {
    rule: String,
    action: Action,
    change: Added,
}

/// `rule add`.
pub fn add(selector: &Selector, action: Option<Action>) -> Result<Made> {
    let control = Control::open("add a rule")?;
    let rule = names::rule(selector)?;
    let action = action.unwrap_or(rule.action());
    let change = control.add(&rule, action)?;
    Ok(Made {
        rule: rule.to_string(),
        action,
        change,
    })
}

impl Shown for Made {
    fn text(&self) -> String {
        let how = match self.change {
            Added::New => "added",
            Added::Changed => "changed",
            Added::Unchanged => "there already",
        };
        format!("{}: {}, {how}\n", self.rule, self.action)
    }
}

/// A rule after `del`.
#[derive(Debug, Serialize)]
pub struct Removed {
    removed: Entry,
}

/// `rule del`.
pub fn del(selector: &Selector) -> Result<Removed> {
    let control = Control::open("remove a rule")?;
    let rule = names::rule(selector)?;
    let Some(removed) = control.same(&rule)? else {
        return Err(Failure::new(
            Kind::NotFound,
            format!("remove the rule {rule}"),
            "there is no such rule",
            "smcify rule list",
        ));
    };
    control.remove(&removed.name)?;
    Ok(Removed { removed })
}

impl Shown for Removed {
    fn text(&self) -> String {
        format!("{}: removed\n", self.removed.name)
    }
}

/// All rules, and what applies without them.
#[derive(Debug, Serialize)]
pub struct Rules {
    rules: Vec<Listed>,
    default: Action,
}

/// A rule, and what it is for in the words of the command line.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    entry: Entry,
    /// What it is for, as after `smcify rule add`, or that it is for nothing any more.
    #[serde(rename = "for")]
    whom: String,
}

/// `rule list`.
pub fn list() -> Result<Rules> {
    Rules::read(&Control::open("list the rules")?)
}

impl Rules {
    /// All that there are.
    pub fn read(control: &Control) -> Result<Self> {
        let names = Names::default();
        let rules = control.rules()?.into_iter();
        let rules = rules.map(|entry| Listed {
            whom: names.of(&entry),
            entry,
        });
        Ok(Self {
            rules: rules.collect(),
            default: control.default()?,
        })
    }
}

impl Shown for Rules {
    fn text(&self) -> String {
        let mut table = table(&["RULE", "ACTION", "HITS"]);
        for it in &self.rules {
            table.add_row([
                Cell::new(&it.whom),
                Cell::new(it.entry.action),
                Cell::new(it.entry.hits).set_alignment(CellAlignment::Right),
            ]);
        }
        table.add_row(["(no rule: the default)", self.default.name(), ""]);
        lines(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_rule_is_one_object() {
        let listed = Listed {
            entry: Entry {
                name: "uid:0".into(),
                action: Action::Tcp,
                hits: 4,
                rule: "uid:0".parse().ok(),
            },
            whom: "--user root".into(),
        };
        let json = serde_json::to_value(Rules {
            rules: vec![listed],
            default: Action::Smc,
        });
        let rule = serde_json::json!({
            "name": "uid:0", "action": "tcp", "hits": 4, "for": "--user root",
        });
        let expected = serde_json::json!({"rules": [rule], "default": "smc"});
        assert_eq!(json.expect("JSON"), expected);
    }
}
