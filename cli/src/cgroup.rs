// SPDX-License-Identifier: GPL-2.0
//! Control groups, version 2: by name, their ids, and a transient one.

use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use anyhow::Context;
use procfs::process::Process;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// The hierarchy.
pub struct Hierarchy {
    root: PathBuf,
}

impl Hierarchy {
    /// Finds where it is mounted.
    pub fn find() -> Result<Self> {
        let tried = "find the cgroup v2 hierarchy";
        let next = "mount -t cgroup2 none /sys/fs/cgroup";
        let mounts = Process::myself().and_then(|me| me.mountinfo());
        let mounts = mounts.or_fail(tried, next)?;
        let mount = mounts.into_iter().find(|it| it.fs_type == "cgroup2");
        let root = mount
            .map(|it| it.mount_point)
            .ok_or_else(|| Failure::new(Kind::NotFound, tried, "it is not mounted", next))?;
        Ok(Self { root })
    }

    /// The cgroup that a user names: below the root, or by its whole path.
    pub fn named(&self, name: &str) -> Result<PathBuf> {
        let below = self.root.join(name.trim_start_matches('/'));
        let path = match Path::new(name).starts_with(&self.root) {
            true => PathBuf::from(name),
            false => below,
        };
        if path.is_dir() {
            return Ok(path);
        }
        let last = Path::new(name).file_name().unwrap_or_default();
        let similar = self.all_with(|path| path.file_name() == Some(last));
        Err(Failure::new(
            Kind::NotFound,
            format!("find the cgroup {name}"),
            format!("{} is not there", path.display()),
            match similar.first() {
                Some(path) => format!("--cgroup {}", self.short(path)),
                None => "look for it: systemd-cgls; ls /sys/fs/cgroup\n\
                         a service has one while it runs: systemctl start NAME"
                    .into(),
            },
        ))
    }

    /// A container's cgroup: by one of its processes, by its path, or by its id, which the
    /// names that container engines give their cgroups have in them.
    pub fn of_container(&self, name: &str) -> Result<PathBuf> {
        if name.contains('/') {
            return self.named(name);
        }
        if let (true, Ok(pid)) = (Path::new("/proc").join(name).is_dir(), name.parse()) {
            return self.of_process(pid);
        }
        let tried = format!("find the container {name}");
        let is = |path: &Path| {
            let last = path.file_name().unwrap_or_default().to_string_lossy();
            // Podman and CRI-O have one more for the process that watches over it.
            last.contains(name) && !last.contains("conmon")
        };
        let found = self.all_with(is);
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Failure::new(
                Kind::NotFound,
                tried,
                format!("no process and no cgroup has {name:?} in its name"),
                "give the id of a process: docker inspect -f '{{.State.Pid}}' NAME; \
                 podman, nerdctl likewise\nor the cgroup: systemd-cgls",
            )),
            several => Err(Failure::new(
                Kind::NotFound,
                tried,
                format!("{} cgroups have that in their names", several.len()),
                several
                    .iter()
                    .take(5)
                    .map(|path| format!("--cgroup {}", self.short(path)))
                    .collect::<Vec<_>>()
                    .join("\n"),
            )),
        }
    }

    /// The cgroup of a process.
    pub fn of_process(&self, pid: i32) -> Result<PathBuf> {
        let tried = format!("find the cgroup of process {pid}");
        let next = "ps -e";
        let groups = Process::new(pid).and_then(|it| it.cgroups());
        let groups = groups.or_fail(&tried, next)?;
        let group = groups.into_iter().find(|it| it.hierarchy == 0);
        let path = group.map(|it| self.root.join(it.pathname.trim_start_matches('/')));
        path.filter(|path| path.is_dir()).ok_or_else(|| {
            let found = "it is not in the part of the cgroup v2 hierarchy that can be seen here";
            Failure::new(
                Kind::NotFound,
                tried,
                found,
                "do it outside of the container",
            )
        })
    }

    /// The cgroup of this process.
    pub fn own(&self) -> Result<PathBuf> {
        self.of_process(std::process::id() as i32)
    }

    /// Where the cgroup with this id is, if it is there and can be seen.
    pub fn path_of(&self, id: u64) -> Option<PathBuf> {
        let is = |path: &Path| path.metadata().is_ok_and(|it| it.ino() == id);
        self.all_with(is).into_iter().next()
    }

    /// A path as it is shown and typed: without the mount point.
    pub fn short(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        match below.as_os_str().is_empty() {
            true => "/".into(),
            false => below.display().to_string(),
        }
    }

    /// All cgroups that are like this, outermost first.
    fn all_with(&self, like: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut level = vec![self.root.clone()];
        while !level.is_empty() {
            level.sort();
            found.extend(level.iter().filter(|path| like(path)).cloned());
            level = level.iter().flat_map(|path| children(path)).collect();
        }
        found
    }
}

/// The cgroups right below one.
fn children(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let dirs = entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|it| it.path()).collect()
}

/// The id of a cgroup: on 64-bit kernels the inode number of its directory. It is never used
/// again for another.
pub fn id(path: &Path) -> Result<u64> {
    let found = path.metadata().with_context(|| path.display().to_string());
    let found = found.or_fail("find out the id of a cgroup", "systemd-cgls")?;
    Ok(found.ino())
}

/// Moves all that is left in `from` and below to the cgroup `to`, and removes `from`.
pub fn dissolve(from: &Path, to: &Path) -> anyhow::Result<()> {
    for below in children(from) {
        dissolve(&below, to)?;
    }
    let (members, target) = (from.join("cgroup.procs"), to.join("cgroup.procs"));
    // Processes are born meanwhile.
    loop {
        let text = fs::read_to_string(&members);
        let text = text.with_context(|| members.display().to_string())?;
        if text.is_empty() {
            break;
        }
        for pid in text.lines() {
            match fs::write(&target, pid) {
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                moved => moved.with_context(|| target.display().to_string())?,
            }
        }
    }
    match fs::remove_dir(from) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| from.display().to_string()),
    }
}

/// Whether no process is in the cgroup or below.
pub fn is_empty(path: &Path) -> bool {
    let events = fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
    !events.lines().any(|line| line == "populated 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy() -> (tempfile::TempDir, Hierarchy) {
        let temp = tempfile::tempdir().expect("a directory");
        for path in [
            "system.slice/nginx.service",
            "machine.slice/libpod-0123abcd.scope/container",
            "machine.slice/libpod-conmon-0123abcd.scope",
            "a/docker-77.scope",
            "b/docker-777.scope",
        ] {
            fs::create_dir_all(temp.path().join(path)).expect("made");
        }
        let root = temp.path().to_path_buf();
        (temp, Hierarchy { root })
    }

    #[test]
    fn cgroups_are_named_in_three_ways() {
        let (temp, all) = hierarchy();
        let path = temp.path().join("system.slice/nginx.service");
        for name in ["system.slice/nginx.service", "/system.slice/nginx.service"] {
            assert_eq!(all.named(name), Ok(path.clone()));
        }
        assert_eq!(all.named(&path.display().to_string()), Ok(path.clone()));
        assert_eq!(all.short(&path), "system.slice/nginx.service");
        assert_eq!(all.short(temp.path()), "/");
        let told = all.named("nginx.service").expect_err("not there");
        assert_eq!(told.next, "--cgroup system.slice/nginx.service");
        assert!(all.named("no/such").is_err());
    }

    #[test]
    fn containers_are_found_by_their_id() {
        let (temp, all) = hierarchy();
        let path = temp.path().join("machine.slice/libpod-0123abcd.scope");
        assert_eq!(all.of_container("0123ab"), Ok(path));
        let told = all.of_container("docker-77").expect_err("two");
        assert_eq!(told.next.lines().count(), 2, "{told}");
        let told = all.of_container("0123abcdef").expect_err("none");
        assert_eq!(told.kind, Kind::NotFound);
    }

    #[test]
    fn an_id_leads_back_to_its_cgroup() {
        let (temp, all) = hierarchy();
        let path = temp.path().join("system.slice/nginx.service");
        let id = id(&path).expect("an id");
        assert_eq!(all.path_of(id), Some(path));
        assert_eq!(all.path_of(1), None);
    }
}
