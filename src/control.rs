// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/smcify/`: the switch, the counters, the live fixes, the version.
//!
//! Logic. Every method runs in process context, several at once, and may sleep.

use core::fmt::Write;

use kernel::c_str;
use kernel::configfs::{
    self,
    Group,
    Subsystem, //
};
use kernel::configfs_attrs;
use kernel::new_mutex;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{
    Arc,
    Mutex, //
};

use crate::directory::Directory;
use crate::fixes::Fixes;
use crate::policy::Action;
use crate::switch::Switch;
use crate::task;
use crate::THIS_MODULE;

/// As in Cargo.toml.
const VERSION: &str = "0.1.0";

/// What the directory holds.
#[pin_data]
pub struct Control {
    switch: Arc<Switch>,
    #[pin]
    fixes: Mutex<Fixes>,
}

impl Control {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            switch: Arc::pin_init(Switch::new(), GFP_KERNEL)?,
            fixes <- new_mutex!(Fixes::new()?),
        })
    }
}

/// The directory, with `default` at `tcp` and no rules. It disappears when dropped.
pub fn subsystem() -> impl PinInit<Subsystem<Control>, Error> {
    let item_type = configfs_attrs! {
        container: Subsystem<Control>,
        data: Control,
        child: Directory,
        attributes: [
            default: 0,
            stats: 1,
            version: 2,
            fixes: 3,
            handshake: 4,
        ],
    };
    Subsystem::new(c_str!("smcify"), item_type, Control::new())
}

#[vtable]
impl configfs::GroupOperations for Control {
    type Child = Directory;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Directory>, Error>> {
        Directory::make(&self.switch, name)
    }
}

#[vtable]
impl configfs::AttributeOperations<0> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}\n", control.switch.default().name()))
    }

    fn store(control: &Control, text: &[u8]) -> Result {
        control.switch.set_default(parse_action(text)?)
    }
}

#[vtable]
impl configfs::AttributeOperations<1> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}", control.switch.stats()))
    }
}

#[vtable]
impl configfs::AttributeOperations<2> for Control {
    type Data = Control;

    fn show(_control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{VERSION}\n"))
    }
}

#[vtable]
impl configfs::AttributeOperations<3> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}", *control.fixes.lock()))
    }

    fn store(control: &Control, text: &[u8]) -> Result {
        task::may_administer()?;
        control.fixes.lock().set(text)
    }
}

#[vtable]
impl configfs::AttributeOperations<4> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        control
            .switch
            .with_handshake(|handshake| print(page, format_args!("{handshake}\n")))
    }
}

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
