// SPDX-License-Identifier: GPL-2.0
//! Enters the toolchain root: in the child, between fork and exec, a private
//! mount namespace (and a user namespace for those who are not root), the
//! host's devices and the bound directories, then chroot.

use std::ffi::CStr;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::CWD;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::mount::MountPropagationFlags;
use rustix::process::Signal;
use rustix::thread::UnshareFlags;

/// All that the child needs, made before the fork, for it must not allocate.
struct Entry {
    root: CString,
    /// What is mounted where (paths as the host sees them).
    binds: Vec<(CString, CString)>,
    /// The lines for `uid_map` and `gid_map`; none for root.
    maps: Option<(String, String)>,
}

/// Makes `command` run in `root`, with `binds` at their own paths, and die with
/// the thread that spawns it.
pub(crate) fn enter(command: &mut Command, root: &Path, binds: &[PathBuf]) {
    let system = ["/dev", "/proc", "/sys"].map(PathBuf::from);
    let binds = system
        .iter()
        .chain(binds)
        .map(|path| (c_path(path), c_path(&inside(root, path))));
    let entry = Entry {
        root: c_path(root),
        binds: binds.collect(),
        maps: maps(),
    };
    // SAFETY: `Entry::enter` makes system calls on memory that exists, and
    // neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || entry.enter()) };
}

/// Makes `command` enter namespaces as [`enter`] does, but stay outside.
pub(crate) fn enter_namespaces(command: &mut Command) {
    let entry = Entry {
        root: CString::default(),
        binds: Vec::new(),
        maps: maps(),
    };
    // SAFETY: As in `enter`.
    unsafe { command.pre_exec(move || entry.unshare()) };
}

/// Makes `command` be terminated when the thread that spawns it ends.
pub(crate) fn die_with_spawner(command: &mut Command) {
    // SAFETY: One system call, which neither allocates nor takes a lock.
    unsafe { command.pre_exec(terminated_with_spawner) };
}

/// Where `path` is for one who is not in `root`.
pub(crate) fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Whether the namespaces are made with root's rights.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Entry {
    fn enter(&self) -> io::Result<()> {
        let mut cwd = [0; 4096];
        let length = cwd.len() - 1;
        rustix::fs::readlinkat_raw(CWD, c"/proc/self/cwd", &mut cwd[..length])?;
        self.unshare()?;
        for (from, to) in &self.binds {
            rustix::mount::mount_bind_recursive(from.as_c_str(), to.as_c_str())?;
        }
        rustix::process::chroot(self.root.as_c_str())?;
        let here = CStr::from_bytes_until_nul(&cwd).unwrap_or(c"/");
        if rustix::process::chdir(here).is_err() {
            // A directory that is not bound: start at the top instead.
            rustix::process::chdir(c"/")?;
        }
        Ok(())
    }

    /// The namespaces, private: no mount in them is seen outside.
    fn unshare(&self) -> io::Result<()> {
        let mut flags = UnshareFlags::NEWNS;
        if self.maps.is_some() {
            flags |= UnshareFlags::NEWUSER;
        }
        // SAFETY: The file descriptor table stays shared with no one: the child
        // of a fork has one thread, and `NEWNS` and `NEWUSER` leave the table be.
        unsafe { rustix::thread::unshare_unsafe(flags)? };
        if let Some((uids, gids)) = &self.maps {
            put(c"/proc/self/uid_map", uids)?;
            put(c"/proc/self/setgroups", "deny")?;
            put(c"/proc/self/gid_map", gids)?;
        }
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", private)?;
        terminated_with_spawner()
    }
}

/// make, QEMU, mmdebstrap and the like end their own children when terminated.
fn terminated_with_spawner() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    Ok(())
}

fn put(file: &CStr, text: &str) -> io::Result<()> {
    let file = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text.as_bytes())?;
    Ok(())
}

/// The caller becomes root in a user namespace of its own.
fn maps() -> Option<(String, String)> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    (!is_root()).then(|| (format!("0 {uid} 1\n"), format!("0 {gid} 1\n")))
}

/// A path cannot hold a NUL byte, unless one made it up: then it ends there.
fn c_path(path: &Path) -> CString {
    let bytes = path.as_os_str().as_bytes().iter().copied();
    let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
