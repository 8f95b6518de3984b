// SPDX-License-Identifier: GPL-2.0
//! A Debian tree that programs are taken from, with the libraries they load:
//! the toolchain root, or the host itself.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lddtree::DependencyAnalyzer;
use setup::Arch;

use crate::image::Image;

const SEARCH: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// The C library, in Debian's directory of libraries or elsewhere.
const LIBC: [&str; 2] = ["libc.so.6", "/lib64/libc.so.6"];

/// The kernel reads that much of a script to find its interpreter.
const LONGEST_LINE: u64 = 256;

/// More symbolic links than this in one path are a loop.
const LONGEST_CHAIN: usize = 40;

/// The tree below `dir`.
pub struct Tree {
    dir: PathBuf,
    arch: Arch,
}

impl Tree {
    pub fn new(dir: impl Into<PathBuf>, arch: Arch) -> Tree {
        let dir = dir.into();
        Tree { dir, arch }
    }

    /// Where Debian has its libraries, inside the tree.
    pub fn libraries_at(&self) -> PathBuf {
        PathBuf::from(format!("/usr/lib/{}-linux-gnu", self.arch.gnu()))
    }

    /// The path, inside the tree, of the program `name`.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let paths = SEARCH.iter().map(|dir| Path::new("/").join(dir).join(name));
        paths.into_iter().find(|path| self.resolve(path).is_some())
    }

    /// Whether the path leads somewhere in the tree.
    pub fn has(&self, path: &Path) -> bool {
        self.resolve(path).is_some()
    }

    /// The version of the tree's C library, such as `[2, 41]`.
    pub fn libc_version(&self) -> Vec<u32> {
        let paths = LIBC
            .iter()
            .filter_map(|path| self.resolve(&self.libraries_at().join(path)));
        let bytes = paths
            .filter_map(|path| fs::read(self.outside(&path)).ok())
            .next();
        bytes
            .and_then(|bytes| release_version(&bytes))
            .unwrap_or_default()
    }

    /// Puts the file `path` of the tree into `image`, with what it needs to run;
    /// libraries are from `first` where that has them too.
    pub fn add(&self, image: &mut Image, path: &Path, first: Option<&Tree>) -> Result<()> {
        let real = self.place(image, path)?;
        self.add_needed(image, &self.outside(&real), first)
    }

    /// Puts what the program `file` (a path of the host) needs into `image`:
    /// its libraries, from `first` where that has them too, or the interpreter
    /// of its first line.
    pub fn add_needed(&self, image: &mut Image, file: &Path, first: Option<&Tree>) -> Result<()> {
        let mut head = Vec::new();
        let opened = File::open(file);
        let opened = opened.with_context(|| format!("cannot open {}", file.display()))?;
        opened.take(LONGEST_LINE).read_to_end(&mut head)?;
        if let Some(interpreter) = interpreter(&head) {
            let path = Path::new(&interpreter);
            let trees = first.into_iter().chain([self]);
            return match trees.into_iter().find(|tree| tree.has(path)) {
                Some(tree) => tree.add(image, path, first),
                None => bail!("there is no {interpreter} to run {} with", file.display()),
            };
        }
        if !head.starts_with(b"\x7fELF") {
            return Ok(());
        }
        for library in self.libraries(file)? {
            let tree = first.filter(|first| first.has(&library)).unwrap_or(self);
            tree.place(image, &library)?;
        }
        Ok(())
    }

    /// The libraries that the ELF program `file` loads, and its loader.
    fn libraries(&self, file: &Path) -> Result<Vec<PathBuf>> {
        // The tree's own ld.so.conf is not read, so name what stands in Debian's.
        let paths = vec![self.outside(&self.libraries_at())];
        let analyzer = DependencyAnalyzer::new(self.dir.clone()).library_paths(paths);
        let found = analyzer.analyze(file);
        let found = found.with_context(|| format!("cannot read {}", file.display()))?;
        let mut paths = Vec::new();
        for (name, library) in found.libraries {
            let inside = library.path.strip_prefix(&self.dir).ok();
            match inside.filter(|_| library.realpath.is_some()) {
                Some(path) => paths.push(Path::new("/").join(path)),
                None => bail!(
                    "{} needs {name}, which is not in {}",
                    file.display(),
                    self.dir.display()
                ),
            }
        }
        Ok(paths)
    }

    /// Copies one file to its real path, and a link to it if it has another name.
    fn place(&self, image: &mut Image, path: &Path) -> Result<PathBuf> {
        let missing = || format!("there is no {} in {}", path.display(), self.dir.display());
        let real = self.resolve(path).with_context(missing)?;
        image.copy(&real.to_string_lossy(), &self.outside(&real));
        let name = path.file_name().with_context(missing)?;
        let parent = path.parent().and_then(|parent| self.resolve(parent));
        let at = parent.with_context(missing)?.join(name);
        if at != real {
            image.link(&at.to_string_lossy(), &real.to_string_lossy());
        }
        Ok(real)
    }

    fn outside(&self, inside: &Path) -> PathBuf {
        self.dir.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Follows symbolic links as one would who has the tree as `/`.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut todo: VecDeque<OsString> = parts(path);
        let mut real = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            if part == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&part);
            match fs::read_link(self.outside(&next)) {
                Ok(target) => {
                    links += 1;
                    if links > LONGEST_CHAIN {
                        return None;
                    }
                    if target.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    let mut ahead = parts(&target);
                    ahead.append(&mut todo);
                    todo = ahead;
                }
                Err(_) => real = next,
            }
        }
        self.outside(&real).exists().then_some(real)
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    named.collect()
}

/// The interpreter that a script's first line names.
fn interpreter(head: &[u8]) -> Option<String> {
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().map(str::to_string)
}

/// The version in the C library's banner, `… stable release version 2.41.`
fn release_version(libc: &[u8]) -> Option<Vec<u32>> {
    const BANNER: &[u8] = b"release version ";
    let at = libc
        .windows(BANNER.len())
        .position(|bytes| bytes == BANNER)?;
    let rest = libc[at + BANNER.len()..].iter();
    let text: String = rest.take(16).map(|byte| char::from(*byte)).collect();
    let digits = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()?;
    let numbers = digits.split('.').filter(|part| !part.is_empty());
    numbers.map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_tree() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("usr/bin")).expect("made");
        fs::write(at("usr/bin/dash"), "").expect("made");
        std::os::unix::fs::symlink("usr/bin", at("bin")).expect("made");
        std::os::unix::fs::symlink("/bin/dash", at("usr/bin/sh")).expect("made");
        std::os::unix::fs::symlink("loop", at("loop")).expect("made");
        let tree = Tree::new(dir.path(), Arch::X86);
        let found = tree.resolve(Path::new("/bin/../bin/sh"));
        assert_eq!(found.as_deref(), Some(Path::new("/usr/bin/dash")));
        assert_eq!(tree.resolve(Path::new("/loop")), None);
        assert_eq!(tree.find("sh").as_deref(), Some(Path::new("/usr/bin/sh")));
    }

    #[test]
    fn the_banner_has_the_version() {
        let banner =
            b"\0GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\nCopyright";
        assert_eq!(release_version(banner), Some(vec![2, 41]));
        assert_eq!(release_version(b"musl"), None);
    }

    #[test]
    fn a_script_names_its_interpreter() {
        assert_eq!(interpreter(b"#! /bin/sh -e\nx").as_deref(), Some("/bin/sh"));
        assert_eq!(interpreter(b"\x7fELF"), None);
    }
}
