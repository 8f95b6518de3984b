// SPDX-License-Identifier: GPL-2.0
//! Lines into and out of the kernel log.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

const KMSG: &str = "/dev/kmsg";

/// Writes one line into the kernel log, as the lab's control channel. Failing
/// to is not an error that anyone could be told of.
pub fn say(line: &str) {
    if let Ok(mut kmsg) = OpenOptions::new().write(true).open(KMSG) {
        let _ = kmsg.write_all(format!("<5>lab: {line}\n").as_bytes());
    }
}

/// Reads what the kernel logs from the moment of [`Follow::now`] on.
pub struct Follow(File);

impl Follow {
    /// Starts behind the last line.
    pub fn now() -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(KMSG)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The messages so far, without their prefixes.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(n) => lines.extend(message(&record[..n])),
                // Overwritten before it was read: go on with the next.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return lines,
            }
        }
    }
}

/// The text of a record `level,seq,time,flags;text\n key=value…`.
fn message(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (_, text) = record.split_once(';')?;
    Some(text.lines().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_record_is_its_text() {
        let record = b"6,339,5140900,-;smcify: loaded\n SUBSYSTEM=x\n";
        assert_eq!(message(record).as_deref(), Some("smcify: loaded"));
        assert_eq!(message(b"no record"), None);
    }
}
