// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/smcify/`: the switch, the counters, the live fixes, the version.
//!
//! Logic. Every method runs in process context, under the attribute's own mutex of
//! configfs, and may sleep.

use core::fmt::Write;

use kernel::c_str;
use kernel::configfs::{
    self,
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

use crate::fixes::Fixes;
use crate::hook;
use crate::policy::Action;
use crate::stats::Stats;
use crate::trace::Rewrite;
use crate::THIS_MODULE;

/// As in Cargo.toml.
const VERSION: &str = "0.1.0";

/// What the directory holds.
#[pin_data]
pub struct Control {
    stats: Arc<Stats>,
    /// Attached while some socket can be selected, so while `default` is `smc`.
    #[pin]
    hook: Mutex<Option<Pin<KBox<Rewrite<hook::Creation>>>>>,
    #[pin]
    fixes: Mutex<Fixes>,
}

impl Control {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            stats: Arc::new(Stats::default(), GFP_KERNEL)?,
            hook <- new_mutex!(None),
            fixes <- new_mutex!(Fixes::new()?),
        })
    }

    fn default(&self) -> Action {
        match *self.hook.lock() {
            None => Action::Tcp,
            Some(_) => Action::Smc,
        }
    }

    /// On return no socket is, or each socket is, decided upon: there is no window.
    fn set_default(&self, action: Action) -> Result {
        let mut hook = self.hook.lock();
        match action {
            Action::Tcp => *hook = None,
            Action::Smc if hook.is_some() => {}
            Action::Smc => *hook = Some(hook::attach(self.stats.clone())?),
        }
        Ok(())
    }
}

/// The directory, with `default` at `tcp`. It disappears when dropped.
pub fn subsystem() -> impl PinInit<Subsystem<Control>, Error> {
    let item_type = configfs_attrs! {
        container: Subsystem<Control>,
        data: Control,
        attributes: [
            default: 0,
            stats: 1,
            version: 2,
            fixes: 3,
        ],
    };
    Subsystem::new(c_str!("smcify"), item_type, Control::new())
}

#[vtable]
impl configfs::AttributeOperations<0> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}\n", control.default().name()))
    }

    fn store(control: &Control, text: &[u8]) -> Result {
        control.set_default(Action::parse(text).ok_or(EINVAL)?)
    }
}

#[vtable]
impl configfs::AttributeOperations<1> for Control {
    type Data = Control;

    fn show(control: &Control, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        print(page, format_args!("{}", *control.stats))
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
        control.fixes.lock().set(text)
    }
}

/// Writes `text` to the page of an attribute and returns its length in bytes.
fn print(page: &mut [u8; PAGE_SIZE], text: core::fmt::Arguments<'_>) -> Result<usize> {
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
