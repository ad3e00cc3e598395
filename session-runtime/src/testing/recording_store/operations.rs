//! Operations of the store contract, each with its fault and its count.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::RecordingStore;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};
use crate::store::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, Store, StoreError, Wanted};

#[async_trait]
impl Store for RecordingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let fault = self.enter("create").await?;
        let created = self.0.store.create(key, record).await?;
        self.leave(fault, "create", created).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let fault = self.enter("load").await?;
        let loaded = self.0.store.load(key, wanted, now).await?;
        self.leave(fault, "load", loaded).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let fault = self.enter("patch").await?;
        let patched = self.0.store.patch(key, patch, now).await?;
        self.leave(fault, "patch", patched).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let fault = self.enter("delete").await?;
        self.0.store.delete(key).await?;
        self.leave(fault, "delete", ()).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.sweeps.fetch_add(1, Ordering::SeqCst);
        self.begin("sweep", self.next_fault("sweep").or_else(|| self.fault("sweep"))).await?;
        self.0.store.sweep(limit, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let fault = self.enter("scan").await?;
        let page = self.0.store.scan(from, limit, now).await?;
        self.leave(fault, "scan", page).await
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let fault = self.enter("heads").await?;
        let heads = self.0.store.heads(keys, now).await?;
        self.leave(fault, "heads", heads).await
    }

    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        self.0.store.set_lazy_schemas(schemas);
    }

    fn is_cache(&self) -> bool {
        self.0.store.is_cache()
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.store.prepare().await
    }

    fn supports(&self, capability: Capability) -> bool {
        self.0.store.supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.0.store.set_indexed_keys(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        let fault = self.enter("find").await?;
        let found = self.0.store.find(name, text, from, limit).await?;
        self.leave(fault, "find", found).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let fault = self.enter("delete_if").await?;
        let deleted = self.0.store.delete_if(key, generation).await?;
        self.leave(fault, "delete_if", deleted).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        self.0.store.forget(name, text, gone).await
    }

    fn describe(&self) -> String {
        self.0.description.clone().unwrap_or_else(|| format!("a recording store over {}", self.0.store.describe()))
    }
}
