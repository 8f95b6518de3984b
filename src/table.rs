// SPDX-License-Identifier: GPL-2.0

//! A hash table whose readers take no lock.
//!
//! Logic: against `core` and the two files that a host test has its own of, `rcu` and
//! `array`. A look-up costs the same however many entries there are, and mostly ends at an
//! empty bucket when there is nothing to be found. Removing needs no memory.

use core::iter;
use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

use crate::array::{
    AllocError,
    Array, //
};
use crate::rcu::{
    self,
    Guard,
    Published,
    Shared, //
};

/// What entries are found by.
pub trait Key: Clone + Eq + Send + Sync + 'static {
    /// A number whose upper bits differ where keys do.
    fn hash(&self) -> u64;
}

impl Key for u64 {
    /// Fibonacci hashing: consecutive numbers end far from each other.
    #[inline]
    fn hash(&self) -> u64 {
        self.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

struct Entry<K: Key, V: Clone + Send + Sync + 'static> {
    key: K,
    value: V,
    next: Published<Entry<K, V>>,
}

/// A power of two of lists.
struct Buckets<K: Key, V: Clone + Send + Sync + 'static> {
    /// By how much a hash is shifted to become an index.
    shift: u32,
    lists: Array<Published<Entry<K, V>>>,
}

/// The fewest buckets, a power of two; at least two, so that no shift is by all of a word.
const FEWEST: usize = 16;
/// How many buckets there are at least for each entry.
const BUCKETS_PER_ENTRY: usize = 4;

impl<K: Key, V: Clone + Send + Sync + 'static> Buckets<K, V> {
    fn new(len: usize) -> Result<Shared<Self>, AllocError> {
        Shared::new(Self {
            shift: u64::BITS - len.trailing_zeros(),
            lists: Array::new(len, iter::repeat_with(|| Published::new(None)))?,
        })
    }

    /// The list where `key` is, if it is anywhere.
    #[inline]
    fn list(&self, key: &K) -> Option<&Published<Entry<K, V>>> {
        self.lists.get((key.hash() >> self.shift) as usize)
    }

    /// Puts an entry at the head of its list.
    fn push(&self, key: K, value: V) -> Result<(), AllocError> {
        if let Some(list) = self.list(&key) {
            let next = Published::new(list.share());
            list.set(Some(Shared::new(Entry { key, value, next })?));
        }
        Ok(())
    }
}

/// What an insertion may be refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is an entry with this key.
    Exists,
    /// There is no memory.
    NoMemory,
}

impl From<AllocError> for Refused {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

/// A table from keys to values, which are cheap to clone.
///
/// Any number of readers at any time. Writers exclude each other by a lock of the caller's;
/// two at once may lose an entry, but nothing else.
pub struct Table<K: Key, V: Clone + Send + Sync + 'static> {
    /// Nothing until the first insertion.
    buckets: Published<Buckets<K, V>>,
    len: AtomicUsize,
}

impl<K: Key, V: Clone + Send + Sync + 'static> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            buckets: Published::new(None),
            len: AtomicUsize::new(0),
        }
    }
}

impl<K: Key, V: Clone + Send + Sync + 'static> Table<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// There is nothing to be found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the key that `key` gives; it is asked only if there are entries.
    ///
    /// Context: any.
    #[inline]
    pub fn get<'g>(&'g self, key: impl FnOnce() -> K, guard: &'g Guard) -> Option<&'g V> {
        self.first(|| iter::once_with(key), guard)
    }

    /// The value of the first of the keys that `keys` gives to have one.
    ///
    /// Context: any.
    #[inline]
    pub fn first<'g, I>(&'g self, keys: impl FnOnce() -> I, guard: &'g Guard) -> Option<&'g V>
    where
        I: Iterator<Item = K>,
    {
        let buckets = self.buckets.get(guard).filter(|_| !self.is_empty())?;
        for key in keys() {
            let mut list = buckets.list(&key)?;
            while let Some(entry) = list.get(guard) {
                if entry.key == key {
                    return Some(&entry.value);
                }
                list = &entry.next;
            }
        }
        None
    }

    /// Adds an entry; readers find it from now on.
    ///
    /// # Errors
    ///
    /// [`Refused`], and nothing has changed.
    ///
    /// Context: process context, may sleep.
    pub fn insert(&self, key: K, value: V) -> Result<(), Refused> {
        if self.get(|| key.clone(), &rcu::read_lock()).is_some() {
            return Err(Refused::Exists);
        }
        let wanted = (self.len() + 1) * BUCKETS_PER_ENTRY;
        let buckets = match self.buckets.share() {
            Some(enough) if enough.lists.len() >= wanted => enough,
            // Where the memory for more is not to be had, longer lists will do.
            Some(few) => self.grow(&few).unwrap_or(few),
            None => {
                let first = Buckets::new(FEWEST)?;
                self.buckets.set(Some(first));
                self.buckets.share().ok_or(Refused::NoMemory)?
            }
        };
        buckets.push(key, value)?;
        self.len.store(self.len() + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Twice as many buckets, with all that is in `old`. Readers are in the one or in the
    /// other, and find the same.
    fn grow(&self, old: &Buckets<K, V>) -> Result<Shared<Buckets<K, V>>, AllocError> {
        let new = Buckets::new(old.lists.len() * 2)?;
        for list in old.lists.iter() {
            let mut entry = list.share();
            while let Some(this) = entry {
                new.push(this.key.clone(), this.value.clone())?;
                entry = this.next.share();
            }
        }
        self.buckets.set(Some(new));
        self.buckets.share().ok_or(AllocError)
    }

    /// Takes the entry of `key` away, if there is one. Readers may still see it for a grace
    /// period.
    ///
    /// Context: process context, may sleep.
    pub fn remove(&self, key: &K) {
        let Some(buckets) = self.buckets.share() else {
            return;
        };
        let Some(list) = buckets.list(key) else {
            return;
        };
        let mut before: Option<Shared<Entry<K, V>>> = None;
        loop {
            let place = before.as_ref().map_or(list, |entry| &entry.next);
            let Some(entry) = place.share() else {
                return;
            };
            if entry.key == *key {
                place.set(entry.next.share());
                break;
            }
            before = Some(entry);
        }
        self.len
            .store(self.len().saturating_sub(1), Ordering::Relaxed);
    }
}
