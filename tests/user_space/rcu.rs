// SPDX-License-Identifier: GPL-2.0

//! What `src/compat/rcu.rs` offers, for host tests: nothing is ever freed, so that what readers
//! have found stays, and no `unsafe` is needed.

use crate::compat::array::AllocError;
use std::ops::Deref;
use std::sync::RwLock;

/// Stands for the RCU read lock.
pub struct Guard(());

/// Stands for `rcu_read_lock()`.
pub fn read_lock() -> Guard {
    Guard(())
}

/// A value that can be published.
pub struct Shared<T: Send + Sync + 'static>(&'static T);

impl<T: Send + Sync + 'static> Shared<T> {
    /// # Errors
    ///
    /// None here.
    pub fn new(value: T) -> Result<Self, AllocError> {
        Ok(Self(Box::leak(Box::new(value))))
    }
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// Nothing: it is never the last.
    pub fn drop_with(self, _last: impl FnOnce(&mut T)) {}
}

impl<T: Send + Sync + 'static> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<T: Send + Sync + 'static> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

/// A place where readers find a value, or none.
pub struct Published<T: Send + Sync + 'static>(RwLock<Option<Shared<T>>>);

impl<T: Send + Sync + 'static> Published<T> {
    /// A place with nothing in it, or with `value`.
    pub fn new(value: Option<Shared<T>>) -> Self {
        Self(RwLock::new(value))
    }

    /// What is there now.
    pub fn get<'g>(&'g self, _guard: &'g Guard) -> Option<&'g T> {
        self.share().map(|shared| shared.0)
    }

    /// What is there now.
    pub fn share(&self) -> Option<Shared<T>> {
        self.0.read().ok()?.clone()
    }

    /// Takes out what is there.
    pub fn take(&mut self) -> Option<Shared<T>> {
        self.0.get_mut().ok()?.take()
    }

    /// Puts `value` there.
    pub fn set(&self, value: Option<Shared<T>>) {
        if let Ok(mut place) = self.0.write() {
            *place = value;
        }
    }
}
