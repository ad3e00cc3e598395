//! The store of jobs when sessions are kept in cookies: jobs cannot reach these sessions.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::patch::{Patch, Patched};
use crate::store::{Created, Loaded, Store, StoreError, StoreErrorKind, Wanted};

/// Fails every operation with *unsupported* and never reports a session as absent.
pub(crate) struct Unsupported;

const fn unsupported(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, operation)
}

#[async_trait]
impl Store for Unsupported {
    fn describe(&self) -> String {
        "sealed cookies".to_owned()
    }

    async fn create(&self, _: SessionKey, _: Record) -> Result<Created, StoreError> {
        Err(unsupported("create"))
    }

    async fn load(&self, _: SessionKey, _: &Wanted, _: Timestamp) -> Result<Option<Loaded>, StoreError> {
        Err(unsupported("load"))
    }

    async fn patch(&self, _: SessionKey, _: Patch, _: Timestamp) -> Result<Patched, StoreError> {
        Err(unsupported("patch"))
    }

    async fn delete(&self, _: SessionKey) -> Result<(), StoreError> {
        Err(unsupported("delete"))
    }

    async fn sweep(&self, _: usize, _: Timestamp) -> Result<usize, StoreError> {
        Err(unsupported("sweep"))
    }
}
