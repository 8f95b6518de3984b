// SPDX-License-Identifier: GPL-2.0
//! The module's directory in configfs: its switch, its rules, what it tells.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::rule::Action;
use crate::rule::Rule;
use anyhow::Context;
use nix::errno::Errno;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

const CONFIGFS: &str = "/sys/kernel/config";
const LOG: &str = "look at the kernel's reason: dmesg | grep smcify";

/// The directory of a module that is loaded.
pub struct Control {
    dir: PathBuf,
}

/// A rule that is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The name of its directory.
    pub name: String,
    pub action: Action,
    /// How many decisions it has made.
    pub hits: u64,
    /// What the name means; nothing if a newer module has kinds of rules unknown here.
    #[serde(skip)]
    pub rule: Option<Rule>,
}

/// Whether a rule was made by [`Control::add`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Added {
    New,
    Changed,
    Unchanged,
}

impl Control {
    /// The directory; `tried` says what for.
    pub fn open(tried: &str) -> Result<Self> {
        Self::find().ok_or_else(|| not_loaded(tried))
    }

    /// The directory, if the module is loaded.
    pub fn find() -> Option<Self> {
        let dir = Path::new(CONFIGFS).join("smcify");
        dir.is_dir().then_some(Self { dir })
    }

    /// What applies where no rule does.
    pub fn default(&self) -> Result<Action> {
        let text = self.read("default")?;
        let action = text.parse().map_err(anyhow::Error::msg);
        action.or_fail("understand smcify's default", LOG)
    }

    pub fn set_default(&self, action: Action) -> Result<()> {
        self.write("default", action.name())
            .or_fail(format!("set smcify's default to {action}"), LOG)
    }

    /// An attribute, without the newline at its end.
    pub fn read(&self, attribute: &str) -> Result<String> {
        let path = self.dir.join(attribute);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string());
        let text = text.or_fail(
            format!("read smcify's {attribute}"),
            "load a module of the same version as this command: rmmod smcify; modprobe smcify",
        );
        Ok(text?.trim_end().to_string())
    }

    /// An attribute that older modules do not have.
    pub fn read_if_there(&self, attribute: &str) -> Result<Option<String>> {
        match self.dir.join(attribute).exists() {
            true => self.read(attribute).map(Some),
            false => Ok(None),
        }
    }

    fn write(&self, attribute: &str, value: &str) -> anyhow::Result<()> {
        let path = self.dir.join(attribute);
        fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
    }

    /// The rules, in the order in which they are asked, then by name.
    pub fn rules(&self) -> Result<Vec<Entry>> {
        let tried = "list smcify's rules";
        let mut entries = Vec::new();
        let listed = fs::read_dir(&self.dir).with_context(|| self.dir.display().to_string());
        for found in listed.or_fail(tried, LOG)? {
            let found = found.or_fail(tried, LOG)?;
            if found.path().is_dir() {
                let name = found.file_name().to_string_lossy().into_owned();
                entries.extend(self.entry(&name)?);
            }
        }
        entries.sort_by_key(|it| (rank(it), it.name.clone()));
        Ok(entries)
    }

    /// The rule of this name; nothing if it is gone meanwhile.
    fn entry(&self, name: &str) -> Result<Option<Entry>> {
        let tried = format!("read the rule {name}");
        let read = |attribute: &str| fs::read_to_string(self.dir.join(name).join(attribute));
        let (action, hits) = match (read("action"), read("hits")) {
            (Ok(action), Ok(hits)) => (action, hits),
            _ if !self.dir.join(name).exists() => return Ok(None),
            (Err(e), _) | (_, Err(e)) => return Err(e).or_fail(tried, LOG),
        };
        let action = action.trim_end().parse().map_err(anyhow::Error::msg);
        Ok(Some(Entry {
            name: name.to_string(),
            action: action.or_fail(&tried, LOG)?,
            hits: hits.trim_end().parse().or_fail(tried, LOG)?,
            rule: name.parse().ok(),
        }))
    }

    /// The rule that means the same, however its name is written.
    pub fn same(&self, rule: &Rule) -> Result<Option<Entry>> {
        let name = rule.to_string();
        if self.dir.join(&name).is_dir() {
            return self.entry(&name);
        }
        let mut all = self.rules()?.into_iter();
        Ok(all.find(|it| it.rule.as_ref() == Some(rule)))
    }

    /// Makes the rule, or changes what it does.
    pub fn add(&self, rule: &Rule, action: Action) -> Result<Added> {
        if let Some(entry) = self.same(rule)? {
            return match entry.action == action {
                true => Ok(Added::Unchanged),
                false => self
                    .write(&format!("{}/action", entry.name), action.name())
                    .or_fail(format!("make the rule {} say {action}", entry.name), LOG)
                    .map(|()| Added::Changed),
            };
        }
        let tried = format!("add the rule {rule}");
        match fs::create_dir(self.dir.join(rule.to_string())) {
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                return Err(unsupported(tried, rule));
            }
            made => made.or_fail(&tried, LOG)?,
        }
        let written = self.write(&format!("{rule}/action"), action.name());
        if written.is_err() {
            // A rule that says something else is worse than none.
            let _ = fs::remove_dir(self.dir.join(rule.to_string()));
        }
        written.or_fail(tried, LOG).map(|()| Added::New)
    }

    /// Takes a rule away; its name as it is in the directory.
    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_dir(self.dir.join(name)) {
            Err(e) if e.raw_os_error() == Some(Errno::ENOENT as i32) => Err(Failure::new(
                Kind::NotFound,
                format!("remove the rule {name}"),
                "there is no such rule",
                "smcify rule list",
            )),
            removed => removed.or_fail(format!("remove the rule {name}"), LOG),
        }
    }
}

/// Where a rule comes in the order of decisions.
fn rank(entry: &Entry) -> u8 {
    match entry.rule {
        Some(Rule::Cgroup(_)) => 0,
        Some(Rule::Comm(_)) => 1,
        Some(Rule::Uid(_)) => 2,
        Some(Rule::Netns(_)) => 3,
        Some(Rule::Where(_)) => 4,
        None => 5,
    }
}

/// The module's directory is not there. Why?
fn not_loaded(tried: &str) -> Failure {
    let loaded = Path::new("/sys/module/smcify").exists();
    let (found, next) = match loaded {
        false => ("the module smcify is not loaded", "modprobe smcify".into()),
        true => (
            "the module smcify is loaded, but configfs is not mounted here",
            format!(
                "mount -t configfs none {CONFIGFS}\ninstead of ip netns exec NAME: --netns NAME"
            ),
        ),
    };
    Failure::new(Kind::NotLoaded, tried, found, next)
}

/// The kernel cannot serve this kind of rule.
fn unsupported(tried: String, rule: &Rule) -> Failure {
    let (found, next) = match rule {
        Rule::Where(_) => (
            "this kernel has no hook for the handshake; that takes Linux 6.19 with \
             CONFIG_SMC_HS_CTRL_BPF=y",
            "choose by who instead: --cgroup, --container, --comm, --user, --netns",
        ),
        _ => ("this kernel cannot serve that kind of rule", LOG),
    };
    Failure::new(Kind::Failed, tried, found, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A directory as the module makes it, but that files are not made by the kernel.
    fn control() -> (TempDir, Control) {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().to_path_buf();
        fs::write(dir.join("default"), "tcp\n").expect("written");
        (temp, Control { dir })
    }

    fn put(control: &Control, name: &str, action: &str, hits: u64) {
        let dir = control.dir.join(name);
        fs::create_dir(&dir).expect("made");
        fs::write(dir.join("action"), format!("{action}\n")).expect("written");
        fs::write(dir.join("hits"), format!("{hits}\n")).expect("written");
    }

    #[test]
    fn rules_are_listed_in_the_order_of_decisions() {
        let (_temp, control) = control();
        put(&control, "port:443,dst:10.0.0.0:8", "tcp", 3);
        put(&control, "netns:7", "smc", 1);
        put(&control, "cgroup:12", "tcp", 0);
        put(&control, "moon:full", "smc", 0);
        let rules = control.rules().expect("rules");
        let names: Vec<_> = rules.iter().map(|it| it.name.as_str()).collect();
        let expected = [
            "cgroup:12",
            "netns:7",
            "port:443,dst:10.0.0.0:8",
            "moon:full",
        ];
        assert_eq!(names, expected);
        assert_eq!((rules[2].action, rules[2].hits), (Action::Tcp, 3));
        let json = serde_json::to_value(&rules[1]).expect("JSON");
        let expected = serde_json::json!({"name": "netns:7", "action": "smc", "hits": 1});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_rule_is_the_same_however_its_terms_are_ordered() {
        let (_temp, control) = control();
        put(&control, "port:443,dst:10.0.0.0:8", "tcp", 3);
        let rule: Rule = "dst:10.0.0.0:8,port:443".parse().expect("a rule");
        let same = control.same(&rule).expect("readable").expect("there");
        assert_eq!(same.name, "port:443,dst:10.0.0.0:8");
        assert_eq!(control.add(&rule, Action::Tcp), Ok(Added::Unchanged));
        assert_eq!(control.add(&rule, Action::Smc), Ok(Added::Changed));
        let same = control.same(&rule).expect("readable").expect("there");
        assert_eq!(same.action, Action::Smc);
    }

    #[test]
    fn a_default_that_is_neither_is_an_error() {
        let (_temp, control) = control();
        assert_eq!(control.default(), Ok(Action::Tcp));
        fs::write(control.dir.join("default"), "maybe\n").expect("written");
        assert!(control.default().is_err());
    }

    #[test]
    fn a_rule_that_is_not_there_is_not_found() {
        let (_temp, control) = control();
        let told = control.remove("uid:7").expect_err("not there");
        assert_eq!(told.kind, Kind::NotFound);
    }
}
