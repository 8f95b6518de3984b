// SPDX-License-Identifier: GPL-2.0

//! A hash table whose readers take no lock.
//!
//! Logic: against `core` and the two files that a host test has its own of, `rcu` and
//! `array`. A look-up costs the same however many entries there are, and mostly ends at an
//! empty bucket when there is nothing to be found. Removing needs no memory.

use core::sync::atomic::{
    AtomicUsize,
    Ordering, //
};

use crate::compat::array::{
    AllocError,
    Slots, //
};
use crate::compat::rcu::{
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

impl<K: Key, V: Clone + Send + Sync + 'static> Entry<K, V> {
    /// The value of `key`, if that is in the list which begins here.
    #[inline]
    fn find<'g>(&'g self, key: &K, guard: &'g Guard) -> Option<&'g V> {
        let mut entry = self;
        while entry.key != *key {
            entry = entry.next.get(guard)?;
        }
        Some(&entry.value)
    }
}

impl<K: Key, V: Clone + Send + Sync + 'static> Drop for Entry<K, V> {
    /// Drops the rest of the list one by one: it may be long, for whoever chooses keys can choose
    /// such that share a list, and stacks are short.
    fn drop(&mut self) {
        let mut rest = self.next.take();
        while let Some(entry) = rest.take() {
            entry.drop_with(|entry| rest = entry.next.take());
        }
    }
}

/// A power of two of lists.
struct Buckets<K: Key, V: Clone + Send + Sync + 'static>(Slots<Published<Entry<K, V>>>);

/// The fewest buckets there are, a power of two, and as such: a page of them. A key finds its
/// list empty though few share them.
const FEWEST_BITS: u32 = 9;
/// How many buckets there are at least for each entry.
const BUCKETS_PER_ENTRY: usize = 4;

impl<K: Key, V: Clone + Send + Sync + 'static> Buckets<K, V> {
    fn new(bits: u32) -> Result<Shared<Self>, AllocError> {
        Shared::new(Self(Slots::new(bits, || Published::new(None))?))
    }

    /// The list where `key` is, if it is anywhere.
    #[inline]
    fn list(&self, key: &K) -> &Published<Entry<K, V>> {
        self.0.view().of(key.hash())
    }

    /// Puts an entry at the head of its list.
    fn push(&self, key: K, value: V) -> Result<(), AllocError> {
        let list = self.list(&key);
        let next = Published::new(list.share());
        list.set(Some(Shared::new(Entry { key, value, next })?));
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
    /// Nothing while there are no entries.
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
        let buckets = self.buckets.get(guard)?;
        let key = key();
        buckets.list(&key).get(guard)?.find(&key, guard)
    }

    /// The value of the first of the keys that `keys` gives to have one.
    ///
    /// Context: any.
    pub fn first<'g, I>(&'g self, keys: impl FnOnce() -> I, guard: &'g Guard) -> Option<&'g V>
    where
        I: Iterator<Item = K>,
    {
        let buckets = self.buckets.get(guard)?;
        keys().find_map(|key| buckets.list(&key).get(guard)?.find(&key, guard))
    }

    /// Whether any of these keys may have a value. If not, that is certain, and was found out
    /// faster than by looking for it.
    ///
    /// Context: any.
    #[inline]
    pub fn may_have<I>(&self, keys: impl FnOnce() -> I, guard: &Guard) -> bool
    where
        I: Iterator<Item = K>,
    {
        self.buckets.get(guard).is_some_and(|buckets| {
            // Looked at once, not for each key.
            let lists = buckets.0.view();
            keys().any(|key| lists.of(key.hash()).get(guard).is_some())
        })
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
            Some(enough) if enough.0.len() >= wanted => enough,
            // Where the memory for more is not to be had, longer lists will do.
            Some(few) => self.grow(&few).unwrap_or(few),
            None => {
                let first = Buckets::new(FEWEST_BITS)?;
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
        let new = Buckets::new(old.0.bits() + 1)?;
        for list in old.0.iter() {
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
        let list = buckets.list(key);
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
        let left = self.len().saturating_sub(1);
        self.len.store(left, Ordering::Relaxed);
        if left == 0 {
            self.buckets.set(None);
        }
    }
}
