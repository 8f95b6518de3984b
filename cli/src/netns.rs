// SPDX-License-Identifier: GPL-2.0
//! Network namespaces: by name, their cookies, and looking at things inside of them.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use anyhow::Context;
use nix::getsockopt_impl;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sockopt_impl;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;
use std::fs::File;
use std::fs::read_dir;
use std::path::Path;
use std::path::PathBuf;

/// Where `ip netns` keeps them.
const NAMED: &str = "/run/netns";

sockopt_impl!(
    /// Identifies a network namespace; never used again for another.
    NetnsCookie,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64
);

/// The cookie of the namespace that the calling thread is in.
pub fn cookie() -> anyhow::Result<u64> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).context("a socket")?;
    nix::sys::socket::getsockopt(&socket, NetnsCookie).context("SO_NETNS_COOKIE")
}

/// The cookie of the namespace `name`, or of our own.
pub fn cookie_of(name: Option<&str>) -> Result<u64> {
    let next = "the kernel is older than smcify can serve: check with uname -r";
    inside(name, || {
        cookie().or_fail("get the cookie of the network namespace", next)
    })
}

/// Runs `run` in the namespace `name`, or in our own.
pub fn inside<T: Send>(name: Option<&str>, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(name) = name.filter(|name| *name != "self") else {
        return run();
    };
    let path = path(name)?;
    let tried = format!("enter the network namespace {name}");
    let file = File::open(&path).with_context(|| path.display().to_string());
    let file = file.or_fail(&tried, "ip netns list")?;
    elsewhere(|| {
        setns(&file, CloneFlags::CLONE_NEWNET)
            .with_context(|| path.display().to_string())
            .or_fail(&tried, "ip netns list")?;
        run()
    })
}

/// Runs `run` in a thread of its own, since a namespace is a thread's.
fn elsewhere<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let joined = std::thread::scope(|threads| threads.spawn(run).join());
    joined.unwrap_or_else(|_| {
        Err(Failure::new(
            Kind::Failed,
            "look into another network namespace",
            "smcify made a mistake",
            "report this as a bug of smcify",
        ))
    })
}

/// The file of the namespace `name`.
fn path(name: &str) -> Result<PathBuf> {
    let path = match name.contains('/') {
        true => PathBuf::from(name),
        false => Path::new(NAMED).join(name),
    };
    match path.exists() {
        true => Ok(path),
        false => Err(Failure::new(
            Kind::NotFound,
            format!("find the network namespace {name}"),
            match names().as_slice() {
                [] => format!("{} is not there, nor is any other", path.display()),
                names => format!(
                    "{} is not there; there are {}",
                    path.display(),
                    names.join(", ")
                ),
            },
            "ip netns list; of a container: --netns /proc/PID/ns/net",
        )),
    }
}

/// The names that `ip netns` knows.
fn names() -> Vec<String> {
    let entries = read_dir(NAMED).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Names and cookies of the namespaces that can be looked into, `self` first.
pub fn known() -> Vec<(String, u64)> {
    let own = cookie().ok().map(|cookie| ("self".to_string(), cookie));
    let named = names().into_iter().filter_map(|name| {
        let cookie = cookie_of(Some(&name)).ok()?;
        Some((name, cookie))
    });
    own.into_iter().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_has_a_cookie() {
        let own = cookie().expect("a cookie");
        assert_ne!(own, 0);
        assert_eq!(cookie_of(Some("self")), Ok(own));
        assert_eq!(known().first(), Some(&("self".to_string(), own)));
    }

    #[test]
    fn one_that_is_not_there_is_not_found() {
        let told = cookie_of(Some("no-such-netns")).expect_err("not there");
        assert_eq!(told.kind, Kind::NotFound);
        assert!(told.found.contains("/run/netns/no-such-netns"), "{told}");
    }
}
