// SPDX-License-Identifier: GPL-2.0
//! A network device whose other end is a file: TUN.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;

mod ioctl {
    use nix::ioctl_write_ptr_bad;
    use nix::request_code_write;

    ioctl_write_ptr_bad!(
        /// `TUNSETIFF`: says which device a file is the other end of, and makes it.
        tunsetiff,
        request_code_write!(b'T', 202, size_of::<libc::c_int>()),
        libc::ifreq
    );
}

/// Makes the device `name` in this thread's network namespace. A read takes one IP packet that
/// is sent by it, a write has it receive one. It is gone when the file is closed.
pub fn open(name: &str) -> Result<File> {
    const PATH: &str = "/dev/net/tun";
    let file = OpenOptions::new().read(true).write(true).open(PATH);
    let file = file.context(PATH)?;
    // SAFETY: all zeros are a request: no name, no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    ensure!(name.len() < request.ifr_name.len(), "{name}: too long");
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request is one, with a name that ends.
    let made = unsafe { ioctl::tunsetiff(file.as_raw_fd(), &request) };
    made.with_context(|| format!("no TUN device {name}"))?;
    Ok(file)
}
