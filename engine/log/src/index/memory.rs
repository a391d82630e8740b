//! An index in memory: the part of a log that is not stored yet, and all of it in tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::IndexStore;
use crate::{Applied, Pairs, Result};

/// Keys and values that are gone with their process.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    applied: Applied,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IndexStore for MemoryIndex {
    fn applied(&self) -> Result<Applied> {
        Ok(self.lock().applied)
    }

    fn commit(&self, applied: Applied, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut inner = self.lock();
        inner.pairs.extend(entries.iter().cloned());
        inner.applied = applied;
        Ok(())
    }

    fn backward(&self, first: &[u8], last: &[u8]) -> Pairs<'_> {
        let inner = self.lock();
        let bounds = (Bound::Included(first), Bound::Included(last));
        let pairs: Vec<_> = inner
            .pairs
            .range::<[u8], _>(bounds)
            .rev()
            .map(|(key, value)| Ok((key.clone(), value.clone())))
            .collect();
        Box::new(pairs.into_iter())
    }

    fn clear(&self) -> Result<()> {
        *self.lock() = Inner::default();
        Ok(())
    }
}
