// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/config/smcify/`: the switch, the counters, the live fixes, the version.
//!
//! Logic. Every method runs in process context, several at once, and may sleep.

use kernel::c_str;
use kernel::configfs::{
    self,
    Group,
    Subsystem, //
};
use kernel::new_mutex;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::{
    Arc,
    Mutex, //
};

use crate::compat::task;
use crate::compat::version::configfs_attrs;
use crate::control::attribute::{
    parse_action,
    print, //
};
use crate::control::directory::Directory;
use crate::control::switch::Switch;
use crate::fixes::Fixes;

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
