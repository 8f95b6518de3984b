// SPDX-License-Identifier: GPL-2.0

//! What an attribute of either kind of directory reads and prints.
//!
//! Logic. Context: process context.

use core::fmt::Write;

use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

use crate::compat::task;
use crate::rules::policy::Action;

/// The action that is written to an attribute.
///
/// # Errors
///
/// - `EPERM`: the task may not administer networks in the initial user namespace.
/// - `EINVAL`: it is none.
pub fn parse_action(text: &[u8]) -> Result<Action> {
    task::may_administer()?;
    Action::parse(text).ok_or(EINVAL)
}

/// Writes `text` to the page of an attribute and returns its length in bytes.
pub fn print(page: &mut [u8; PAGE_SIZE], text: core::fmt::Arguments<'_>) -> Result<usize> {
    let mut cursor = Cursor { page, len: 0 };
    cursor.write_fmt(text).map_err(|_| ENOSPC)?;
    Ok(cursor.len)
}

struct Cursor<'a> {
    page: &'a mut [u8; PAGE_SIZE],
    len: usize,
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let place = self.page.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
