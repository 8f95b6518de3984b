// SPDX-License-Identifier: GPL-2.0
//! `smcify ueid`: the user EIDs, of which two hosts need one in common.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::failure::errno;
use crate::output::Shown;
use nix::errno::Errno;
use serde::Serialize;
use smc_netlink::smc;

/// What `ueid list` shows, and the others afterwards.
#[derive(Debug, Serialize)]
pub struct Ueids {
    ueids: Vec<String>,
    /// The machine's own, which mainframes have.
    seid: Option<String>,
}

/// `ueid list`.
pub fn list() -> Result<Ueids> {
    let tried = "list the user EIDs";
    Ok(Ueids {
        ueids: smc::ueids().map_err(|e| answer(tried, e))?,
        seid: smc::seid().map_err(|e| answer(tried, e))?,
    })
}

/// `ueid add`.
pub fn add(eid: &str) -> Result<Ueids> {
    let tried = format!("add the user EID {eid}");
    valid(eid).map_err(|found| {
        let next = "smcify ueid add MY-CLUSTER";
        Failure::new(Kind::Usage, &tried, found, next)
    })?;
    smc::add_ueid(eid).map_err(|e| answer(&tried, e))?;
    list()
}

/// `ueid del`.
pub fn del(eid: &str) -> Result<Ueids> {
    let tried = format!("remove the user EID {eid}");
    match smc::remove_ueid(eid) {
        // So says a mainframe whose own EID is in use again.
        Err(e) if errno(&e) == Some(Errno::EAGAIN) => {}
        removed => removed.map_err(|e| answer(&tried, e))?,
    }
    list()
}

/// What the kernel's answer means.
fn answer(tried: &str, error: anyhow::Error) -> Failure {
    let list = "smcify ueid list";
    let (kind, found, next) = match errno(&error) {
        Some(Errno::EEXIST) => (Kind::Failed, "it is there already".to_string(), list.into()),
        Some(Errno::ERANGE) => {
            let found = format!("there are {} already, and no more fit", smc::UEIDS);
            (Kind::Failed, found, "smcify ueid del EID".to_string())
        }
        Some(Errno::ENOENT) if smc::ueids().is_ok() => (
            Kind::NotFound,
            "there is none like that".into(),
            list.into(),
        ),
        Some(Errno::ENOENT) => {
            let found = "SMC is not loaded".to_string();
            (Kind::NotLoaded, found, "modprobe smc".into())
        }
        _ => {
            let failed: Result<()> = Err(error).or_fail(tried, "dmesg | tail");
            return failed
                .err()
                .unwrap_or_else(|| Failure::new(Kind::Failed, tried, "no answer", list));
        }
    };
    Failure::new(kind, tried, found, next)
}

/// As the kernel wants one; it says no more than EINVAL.
fn valid(eid: &str) -> std::result::Result<(), String> {
    let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if !(1..=smc::EID_LEN).contains(&eid.len()) {
        return Err(format!(
            "it is {} bytes long; 1 to {} are allowed",
            eid.len(),
            smc::EID_LEN
        ));
    }
    if let Some(bad) = eid.chars().find(|c| !good(*c) && !".-".contains(*c)) {
        return Err(format!(
            "{bad:?} is in it; A to Z, 0 to 9, '.' and '-' are allowed"
        ));
    }
    match eid.starts_with(good) {
        true => Ok(()),
        false => Err("it does not begin with a letter or a digit".into()),
    }
}

impl Shown for Ueids {
    fn text(&self) -> String {
        let user = self.ueids.iter().map(|eid| format!("{eid}\n"));
        let system = self
            .seid
            .iter()
            .map(|eid| format!("{eid} (of this machine)\n"));
        let all: String = user.chain(system).collect();
        match all.is_empty() {
            true => {
                "none; add one here and on the other hosts: smcify ueid add MY-CLUSTER\n".into()
            }
            false => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eids_are_checked_before_the_kernel_does() {
        assert_eq!(valid("MY-CLUSTER.7"), Ok(()));
        for (eid, told) in [
            ("", "0 bytes"),
            ("my-cluster", "'m'"),
            ("A B", "' '"),
            ("-A", "begin"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456", "33 bytes"),
        ] {
            let error = valid(eid).expect_err(eid);
            assert!(error.contains(told), "{eid}: {error}");
        }
    }

    #[test]
    fn none_is_said_in_words_but_not_in_json() {
        let none = Ueids {
            ueids: vec![],
            seid: None,
        };
        assert!(none.text().contains("smcify ueid add"));
        let json = serde_json::to_value(none).expect("JSON");
        assert_eq!(json, serde_json::json!({"ueids": [], "seid": null}));
    }
}
