// SPDX-License-Identifier: GPL-2.0
//! The guest's initramfs: what lies where, written as a `newc` archive.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use cpio::newc::Builder;
use cpio::newc::ModeFileType;
use cpio::newc::trailer;

/// Directories that Debian has under `/usr` alone.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

enum Entry {
    Dir,
    /// A program or a file of the host, by its path there.
    Copy(PathBuf),
    Bytes(Vec<u8>),
    Link(String),
    /// A character device: major, minor.
    Device(u32, u32),
}

/// An initramfs in the making. Paths are the guest's, without the leading `/`.
pub struct Image {
    entries: BTreeMap<String, Entry>,
}

impl Image {
    /// Just the directories that every guest has, and a console for PID 1.
    pub fn new() -> Image {
        let entries = BTreeMap::new();
        let mut image = Image { entries };
        for name in MERGED {
            image
                .entries
                .insert(name.into(), Entry::Link(format!("usr/{name}")));
            image.dir(&format!("usr/{name}"));
        }
        for name in ["dev", "proc", "sys", "tmp", "run", "root", "etc", "files"] {
            image.dir(name);
        }
        image
            .entries
            .insert("dev/console".into(), Entry::Device(5, 1));
        image
    }

    /// The file `from` of the host, at `to`; keeps what may be there already.
    pub fn copy(&mut self, to: &str, from: &Path) {
        self.put(to, Entry::Copy(from.to_path_buf()));
    }

    /// A file with this content.
    pub fn bytes(&mut self, to: &str, content: impl Into<Vec<u8>>) {
        self.put(to, Entry::Bytes(content.into()));
    }

    /// A file with this content, whatever was there.
    pub fn replace(&mut self, to: &str, content: impl Into<Vec<u8>>) {
        self.entries
            .insert(merged(to), Entry::Bytes(content.into()));
    }

    /// A symbolic link.
    pub fn link(&mut self, at: &str, target: &str) {
        self.put(at, Entry::Link(target.into()));
    }

    fn put(&mut self, path: &str, entry: Entry) {
        let path = merged(path);
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.dir(parent);
        }
        self.entries.entry(path).or_insert(entry);
    }

    fn dir(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].into()).or_insert(Entry::Dir);
        }
        self.entries.entry(path.into()).or_insert(Entry::Dir);
    }

    /// Makes a tree of it in `dir`, but for devices, which take rights.
    pub fn unpack(&self, dir: &Path) -> Result<()> {
        for (name, entry) in &self.entries {
            let path = dir.join(name);
            let made = match entry {
                Entry::Dir => fs::create_dir_all(&path),
                Entry::Copy(from) => fs::copy(from, &path).map(|_| ()),
                Entry::Bytes(content) => fs::write(&path, content),
                Entry::Link(target) => {
                    fs::create_dir_all(dir).and_then(|()| symlink(target, &path))
                }
                Entry::Device(..) => Ok(()),
            };
            made.with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(())
    }

    /// Writes the archive. Not compressed: QEMU hands it over in no time, while
    /// the guest would need seconds to unpack it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let written = || -> Result<()> {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
            for (number, (name, entry)) in self.entries.iter().enumerate() {
                write_entry(&mut out, name, entry, number as u32 + 1)
                    .with_context(|| format!("the initramfs's /{name}"))?;
            }
            trailer(&mut out)?.flush()?;
            Ok(())
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `/bin/sh` as `usr/bin/sh`: where a path leads once the directories are merged.
fn merged(path: &str) -> String {
    let path = path.trim_start_matches('/');
    match path.split_once('/') {
        Some((top, _)) if MERGED.contains(&top) => format!("usr/{path}"),
        _ => path.to_string(),
    }
}

fn write_entry(out: &mut impl Write, name: &str, entry: &Entry, ino: u32) -> Result<()> {
    let (kind, mode, content) = match entry {
        Entry::Dir => (ModeFileType::Directory, 0o755, Vec::new()),
        Entry::Link(target) => (ModeFileType::Symlink, 0o777, target.clone().into_bytes()),
        Entry::Bytes(content) => (ModeFileType::Regular, 0o644, content.clone()),
        Entry::Device(..) => (ModeFileType::Char, 0o600, Vec::new()),
        Entry::Copy(from) => {
            let read = || format!("cannot read {}", from.display());
            let content = std::fs::read(from).with_context(read)?;
            (ModeFileType::Regular, 0o755, content)
        }
    };
    let mut header = Builder::new(name)
        .ino(ino)
        .nlink(1)
        .mode(mode)
        .set_mode_file_type(kind);
    if let Entry::Device(major, minor) = entry {
        header = header.rdev_major(*major).rdev_minor(*minor);
    }
    let size = u32::try_from(content.len()).context("4 GiB are too much")?;
    let mut writer = header.write(out, size);
    writer.write_all(&content)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    #[test]
    fn parents_come_first_and_merged_paths_are_found_once() {
        let mut image = Image::new();
        image.bytes("/bin/x", "first");
        image.bytes("/usr/bin/x", "second");
        image.bytes("/a/b/c", "");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("image");
        image.write(&path).expect("written");
        let bytes = std::fs::read(&path).expect("readable");
        let mut rest = bytes.as_slice();
        let mut names = Vec::new();
        loop {
            let reader = Reader::new(rest).expect("an archive");
            if reader.entry().is_trailer() {
                break;
            }
            let name = reader.entry().name().to_string();
            let mut content = Vec::new();
            rest = reader.to_writer(&mut content).expect("an entry");
            if name == "usr/bin/x" {
                assert_eq!(content, b"first");
            }
            names.push(name);
        }
        let at = |name: &str| names.iter().position(|n| n == name).expect("there");
        assert!(at("a") < at("a/b") && at("a/b") < at("a/b/c"));
        assert!(at("bin") < at("usr/bin/x"));
        assert!(!names.iter().any(|name| name == "bin/x"));
    }
}
