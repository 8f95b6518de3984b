// SPDX-License-Identifier: GPL-2.0
//! Memory that a task has to wait for: whoever touches a page of a tmpfs file while a hole
//! is punched there sleeps in the page fault until the hole is done.

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::fcntl::FallocateFlags;
use nix::fcntl::fallocate;
use nix::sys::memfd::MFdFlags;
use nix::sys::memfd::memfd_create;
use nix::sys::mman::MapFlags;
use nix::sys::mman::ProtFlags;
use nix::sys::mman::mmap;
use nix::sys::mman::munmap;
use std::ffi::c_void;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

const PAGE: usize = 4096;

/// A file of which the first page is never there, and the others take their time to free.
pub struct Hole {
    file: OwnedFd,
    length: usize,
    map: NonNull<c_void>,
}

// SAFETY: nobody reads or writes through `map` but the kernel.
unsafe impl Send for Hole {}
// SAFETY: as above.
unsafe impl Sync for Hole {}

impl Hole {
    /// A file of so many pages.
    pub fn new(pages: usize) -> Result<Self> {
        let length = pages * PAGE;
        let file = memfd_create(c"hole", MFdFlags::MFD_CLOEXEC).context("memfd_create")?;
        let size = NonZero::new(length).context("a hole of nothing")?;
        let (protection, flags) = (ProtFlags::PROT_READ, MapFlags::MAP_SHARED);
        // SAFETY: a new mapping, of which no Rust reference is ever made.
        let map = unsafe { mmap(None, size, protection, flags, &file, 0) }.context("mmap")?;
        Ok(Self { file, length, map })
    }

    /// Puts pages there to be freed by [`punch`](Self::punch).
    pub fn fill(&self) -> Result<()> {
        let length = (self.length - PAGE) as i64;
        fallocate(&self.file, FallocateFlags::empty(), PAGE as i64, length).context("fallocate")
    }

    /// Frees all pages, which takes a while.
    pub fn punch(&self) -> Result<(), Errno> {
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&self.file, punch, 0, self.length as i64)
    }

    /// Where the page is that is never there; the kernel finds zeroes in it.
    pub fn page(&self) -> *const c_void {
        self.map.as_ptr()
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a pointer into it any more.
        let _ = unsafe { munmap(self.map, self.length) };
    }
}
