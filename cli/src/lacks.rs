// SPDX-License-Identifier: GPL-2.0
//! Which fixes of net/smc the running kernel lacks, as far as its version and the live fixes tell.

mod table;

use crate::control::Control;
use crate::failure::Result;
use crate::fixes;
use nix::sys::utsname::uname;
use procfs::KernelVersion;
use serde::Serialize;
use table::FIXES;

/// Major, minor and patch.
type Version = (u8, u8, u16);

/// The first version that the table is about.
const FIRST: Version = (6, 16, 0);

/// Who reaches a bug.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Whoever can connect, or is connected to.
    Peer,
    /// Any local user.
    User,
    /// Only root, hardware that fails, or a program that harms itself; or nobody.
    Few,
}

/// A fix.
#[derive(Debug, Serialize)]
pub struct Fix {
    /// Some have none.
    pub cve: Option<&'static str>,
    /// The kernel's function.
    function: &'static str,
    /// What goes wrong without it.
    pub without: &'static str,
    pub who: Who,
    /// The first version that has it, of each branch; the last one is mainline's.
    #[serde(skip)]
    fixed: &'static [Version],
    /// The functions whose live fixes close it, all of them together.
    #[serde(skip)]
    live: &'static [&'static str],
}

/// A fix that is lacking.
#[derive(Debug, Serialize)]
pub struct Lack {
    #[serde(flatten)]
    pub fix: &'static Fix,
    /// The first version that has it: of the same branch, or else a later one.
    pub fixed: String,
    /// Whether live fixes make up for it.
    pub closed: bool,
    /// These; none without the module.
    pub live: Vec<fixes::Fix>,
}

impl Fix {
    /// Whether smcify can close it.
    pub fn has_live(&self) -> bool {
        !self.live.is_empty()
    }

    /// The version to go to for this fix; nothing if there is no need.
    fn missing(&self, version: Version) -> Option<Version> {
        let own = |it: &Version| (it.0, it.1) == (version.0, version.1);
        let mut fixed = self.fixed.iter().copied();
        match fixed.clone().find(own) {
            Some(own) => (version < own).then_some(own),
            None => fixed.find(|it| version < *it),
        }
    }

    /// Whether this is lacking, by the version and what the live fixes found in the running code.
    fn lack(&'static self, version: Version, live: &[fixes::Fix]) -> Option<Lack> {
        let (major, minor, patch) = self.missing(version)?;
        let live = live.iter().filter(|it| self.live.contains(&&*it.function));
        let live: Vec<fixes::Fix> = live.cloned().collect();
        let all = |is: fn(&fixes::Fix) -> bool| !live.is_empty() && live.iter().all(is);
        if all(fixes::Fix::is_needless) {
            return None;
        }
        Some(Lack {
            fix: self,
            fixed: format!("{major}.{minor}.{patch}"),
            closed: all(|it| it.is_active() || it.is_needless()),
            live,
        })
    }
}

impl Lack {
    /// Whether more than a few reach the bug.
    pub fn is_open(&self) -> bool {
        self.fix.who != Who::Few && !self.closed
    }
}

/// The running kernel's release, such as 7.2.12+deb13-amd64.
pub fn release() -> String {
    let name = uname().map(|it| it.release().to_string_lossy().into_owned());
    name.unwrap_or_default()
}

/// Its version. What a distribution has appended is left out.
pub fn version(release: &str) -> Option<Version> {
    let version: KernelVersion = release.parse().ok()?;
    Some((version.major, version.minor, version.patch))
}

/// What a kernel lacks; nothing is known of those that are older than the table.
pub fn of(release: &str, control: Option<&Control>) -> Result<Option<Vec<Lack>>> {
    let live = control.map(fixes::read).transpose()?.unwrap_or_default();
    Ok(listed(release, &live))
}

/// The same by what the live fixes say.
pub fn listed(release: &str, live: &[fixes::Fix]) -> Option<Vec<Lack>> {
    let version = version(release).filter(|it| *it >= FIRST)?;
    let all = FIXES.iter().map(|it| it.lack(version, live));
    Some(all.flatten().collect())
}

/// How many these are, and who reaches what is not made up for.
pub fn summary(all: &[Lack]) -> String {
    let count = |is: &dyn Fn(&Lack) -> bool| all.iter().filter(|it| is(it)).count();
    let open = |who| count(&|it| it.fix.who == who && !it.closed);
    let parts = [
        (count(&|it| it.closed), "closed by smcify"),
        (open(Who::Peer), "open to any peer"),
        (open(Who::User), "open to any user"),
        (open(Who::Few), "open to few"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts = parts.map(|(number, what)| format!("{number} {what}"));
    format!(
        "this kernel lacks {} by its version, unless its distribution has carried them back: {}",
        all.len(),
        parts.collect::<Vec<_>>().join(", "),
    )
}

/// The first version that lacks nothing of the table.
pub fn complete() -> String {
    let last = FIXES.iter().filter_map(|it| it.fixed.last()).max();
    let (major, minor, patch) = last.copied().unwrap_or(FIRST);
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What Linux 6.16.12 lacks, by its sources and those of 7.3.4.
    const OF_6_16: &str = "\
        CVE-2025-40064 CVE-2025-40168 CVE-2026-23450 CVE-2026-46027 CVE-2026-64541 \
        CVE-2026-74493 CVE-2026-74692 CVE-2026-80980 CVE-2026-80981 CVE-2026-80983 \
        CVE-2026-80985 CVE-2026-90107 CVE-2026-90108 smc_conn_free smc_llc_event_handler \
        smc_v2_determine_accepted_chid smc_vlan_by_tcpsk \
        CVE-2026-31507 CVE-2026-46330 CVE-2026-53274 CVE-2026-64005 CVE-2026-72018 \
        CVE-2026-74513 CVE-2026-74631 CVE-2026-80982 CVE-2026-80984 CVE-2026-90065 \
        CVE-2026-99032 smc_inet_protosw smc_sk_init \
        CVE-2025-40139 CVE-2026-52941 smc_tx_sendmsg smcr_port_err";
    /// What of these 6.18.15 has.
    const IN_6_18: &str = "\
        CVE-2025-40064 CVE-2025-40168 smc_vlan_by_tcpsk smc_inet_protosw CVE-2025-40139";
    const ULP: &str = "CVE-2026-46330";

    fn name(fix: &Fix) -> &'static str {
        fix.cve.unwrap_or(fix.function)
    }

    /// What a kernel lacks, by name.
    fn names(release: &str, live: &[fixes::Fix]) -> Vec<&'static str> {
        let listed = listed(release, live).expect("known");
        listed.iter().map(|it| name(it.fix)).collect()
    }

    /// What of that is closed.
    fn closed(live: &[fixes::Fix]) -> Vec<&'static str> {
        let listed = listed("6.16.12", live).expect("known").into_iter();
        let closed = listed.filter(|it| it.closed);
        closed.map(|it| name(it.fix)).collect()
    }

    fn live(function: &str, state: &str) -> fixes::Fix {
        fixes::Fix {
            function: function.into(),
            mode: "auto".into(),
            state: state.into(),
        }
    }

    #[test]
    fn the_table_is_sorted_and_has_each_branch_once() {
        let key = |it: &Fix| (it.who, it.cve.is_none(), name(it));
        assert!(FIXES.is_sorted_by(|a, b| key(a) < key(b)));
        for it in &FIXES {
            assert!(it.fixed.is_sorted(), "{it:?}");
            let branches: BTreeSet<_> = it.fixed.iter().map(|it| (it.0, it.1)).collect();
            assert_eq!(branches.len(), it.fixed.len(), "{it:?}");
            assert!(it.fixed.last() > Some(&FIRST), "{it:?}");
        }
    }

    #[test]
    fn what_kernels_lack_is_what_their_sources_lack() {
        let of_6_16: Vec<&str> = OF_6_16.split_whitespace().collect();
        assert_eq!(names("6.16.12", &[]), of_6_16);
        let in_6_18: Vec<&str> = IN_6_18.split_whitespace().collect();
        let of_6_18 = of_6_16.into_iter().filter(|it| !in_6_18.contains(it));
        assert_eq!(names("6.18.15", &[]), of_6_18.collect::<Vec<_>>());
        for release in ["7.2.12", "7.2.12+deb13-amd64", "7.2.12-200.fc43.x86_64"] {
            assert_eq!(names(release, &[]), ["smc_tx_sendmsg"]);
        }
        assert_eq!(names("7.3.4", &[]), [""; 0]);
        assert_eq!(complete(), "7.3.4");
    }

    #[test]
    fn a_branch_that_ends_without_a_fix_lacks_it() {
        let lacks = |release: &&str| names(release, &[]).contains(&ULP);
        assert!(["6.17.13", "6.19.3"].iter().all(lacks));
        let have = ["6.19.4", "6.19.14", "7.0.0", "7.1.2", "8.0.0"];
        assert!(!have.iter().any(lacks));
        let listed = listed("6.17.13", &[]).expect("known");
        let ulp = listed.iter().find(|it| name(it.fix) == ULP);
        assert_eq!(ulp.map(|it| it.fixed.as_str()), Some("6.19.4"));
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        for release in ["6.12.117", "6.6.87.2-microsoft-standard-WSL2", "next", ""] {
            assert!(listed(release, &[]).is_none(), "{release}");
        }
    }

    #[test]
    fn the_running_code_knows_better_than_the_version() {
        for state in ["not needed", "absent"] {
            let live = live("smc_ulp_init", state);
            assert!(!names("6.18.15", &[live]).contains(&ULP));
        }
        assert_eq!(closed(&[live("smc_ulp_init", "active")]), [ULP]);
        for state in ["busy", "inactive"] {
            assert_eq!(closed(&[live("smc_ulp_init", state)]), [""; 0]);
        }
    }

    #[test]
    fn what_has_two_functions_is_closed_in_both() {
        let both = |ism, roce| {
            closed(&[
                live("smc_pnet_find_ism_resource", ism),
                live("smc_pnet_find_roce_resource", roce),
            ])
        };
        assert_eq!(both("active", "inactive"), [""; 0]);
        assert_eq!(both("active", "active"), ["CVE-2025-40064"]);
    }
}
