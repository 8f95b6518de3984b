// SPDX-License-Identifier: GPL-2.0
//! The bytes that travel: random, but known to both sides from a seed.

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::RngCore;
use rand_xoshiro::rand_core::SeedableRng;
use xxhash_rust::xxh64::Xxh64;

/// How much is made, and offered to the kernel, at a time.
pub const BLOCK: usize = 128 << 10;

/// Who sends.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// What a side sends, in order.
pub struct Source {
    random: Xoshiro256PlusPlus,
    block: Vec<u8>,
    at: usize,
    left: u64,
}

impl Source {
    pub fn new(side: Side, bytes: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(side as u64 + 1),
            block: vec![0; BLOCK],
            at: BLOCK,
            left: bytes,
        }
    }

    /// The bytes that come next, at most [`BLOCK`]; none when all are gone.
    pub fn next(&mut self) -> &[u8] {
        if self.at == BLOCK {
            self.random.fill_bytes(&mut self.block);
            self.at = 0;
        }
        let end = (BLOCK as u64).min(self.at as u64 + self.left) as usize;
        &self.block[self.at..end]
    }

    /// Notes that the first `n` of them are gone.
    pub fn advance(&mut self, n: usize) {
        self.at += n;
        self.left -= n as u64;
    }
}

/// Compares what arrives with what the other side must have sent.
pub struct Expected {
    source: Source,
    received: u64,
    sum: Xxh64,
}

impl Expected {
    pub fn new(sender: Side, bytes: u64) -> Self {
        Self {
            source: Source::new(sender, bytes),
            received: 0,
            sum: Xxh64::new(0),
        }
    }

    /// Takes what one read returned: nothing means the end. True: it was the end.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<bool> {
        if bytes.is_empty() {
            ensure!(
                self.source.left == 0,
                "the stream ended {} bytes early",
                self.source.left
            );
            return Ok(true);
        }
        self.sum.update(bytes);
        while !bytes.is_empty() {
            let expected = self.source.next();
            let n = expected.len().min(bytes.len());
            ensure!(n > 0, "{} bytes more than were sent", bytes.len());
            if expected[..n] != bytes[..n] {
                let wrong = (0..n).find(|&i| expected[i] != bytes[i]).unwrap_or(0);
                bail!("byte {} is wrong", self.received + wrong as u64);
            }
            self.source.advance(n);
            self.received += n as u64;
            bytes = &bytes[n..];
        }
        Ok(false)
    }

    /// Whether everything has come, but for the end.
    pub fn is_complete(&self) -> bool {
        self.source.left == 0
    }

    /// How many bytes came, and their sum.
    pub fn end(self) -> (u64, u64) {
        (self.received, self.sum.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut source: Source, step: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !source.next().is_empty() {
            let n = source.next().len().min(step);
            bytes.extend_from_slice(&source.next()[..n]);
            source.advance(n);
        }
        bytes
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_steps() {
        let total = BLOCK as u64 * 2 + 17;
        let whole = all(Source::new(Side::Client, total), BLOCK);
        assert_eq!(whole.len() as u64, total);
        assert_eq!(whole, all(Source::new(Side::Client, total), 1009));
        assert_ne!(whole, all(Source::new(Side::Server, total), BLOCK));
    }

    #[test]
    fn every_byte_counts() {
        let mut bytes = all(Source::new(Side::Client, 1000), BLOCK);
        let mut good = Expected::new(Side::Client, 1000);
        assert!(!good.take(&bytes).expect("all as sent"));
        assert!(good.take(&[]).expect("the end"));
        assert!(Expected::new(Side::Client, 1000).take(&[]).is_err());
        bytes[999] ^= 1;
        assert!(Expected::new(Side::Client, 1000).take(&bytes).is_err());
        bytes[999] ^= 1;
        assert!(Expected::new(Side::Client, 999).take(&bytes).is_err());
    }
}
