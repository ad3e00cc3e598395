//! Indexed stored keys, and the parts of the database that belong to each.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PostgresStore;
use super::fault::Fault;
use crate::record::Text;
use crate::store::StoreError;

/// Indexed stored keys.
#[derive(Default)]
pub(super) struct Index(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    names: Vec<Text>,
    /// Number of the first names whose triggers are known to exist.
    ready: usize,
}

impl Index {
    pub(super) fn add(&self, names: &[Text]) {
        let mut keys = self.lock();
        let new: Vec<Text> = names.iter().filter(|name| !keys.names.contains(name)).cloned().collect();
        keys.names.extend(new);
    }

    /// Checks that a key is indexed.
    pub(super) fn check(&self, name: &str) -> Result<(), StoreError> {
        if self.lock().names.iter().any(|known| **known == *name) {
            return Ok(());
        }
        Err(Fault::NotIndexed.to_error("find"))
    }

    /// Returns the names whose triggers may be missing, and their number with those before them.
    fn missing(&self) -> (Vec<Text>, usize) {
        let keys = self.lock();
        (keys.names[keys.ready..].to_vec(), keys.names.len())
    }

    fn created(&self, number: usize) {
        let mut keys = self.lock();
        keys.ready = keys.ready.max(number);
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PostgresStore {
    /// Creates the parts of the index that are missing. The tables must exist.
    pub(super) async fn index_all(&self) -> Result<(), Fault> {
        let (missing, number) = self.index.missing();
        if missing.is_empty() {
            return Ok(());
        }
        if !self.creates {
            return self.check_all(missing).await;
        }
        self.access.simple(&self.statements.index).await?;
        for name in missing {
            self.access.simple(&self.statements.index_key(&name)).await?;
        }
        self.index.created(number);
        Ok(())
    }

    /// Checks that these stored keys have triggers.
    async fn check_all(&self, names: Vec<Text>) -> Result<(), Fault> {
        for name in names {
            if self.access.simple(&self.statements.index_exists(&name)).await?.is_none() {
                return Err(Fault::NotIndexed);
            }
        }
        Ok(())
    }
}
