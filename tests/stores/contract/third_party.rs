//! An example of a store: one JSON file per session in a folder, written with the public items of this library alone.
//!
//! One lock makes each operation atomic inside this process. [`Patch`] checks and applies itself: `refusal`, `apply`,
//! `apply_head`. A store for several processes needs a lock or a transaction of its engine instead, and compares under
//! that. Simple and not fast: files are read and written on the thread of the request.

use std::collections::BTreeSet;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};

use session_runtime::clock::Timestamp;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Patch, Patched, Refusal};
use session_runtime::record::{Head, PreviousSecret, Record};
use session_runtime::store::{
    Capability, Created, Cursor, Damage, Loaded, Page, SWEEP_GRACE, StoreError, StoreErrorKind, Wanted,
};
use session_runtime::{SessionKey, Store};
use tokio::sync::Mutex;

/// The folder, which one operation has at a time.
pub(crate) struct FileStore(pub(crate) Mutex<PathBuf>);

/// The contents of a file: moments, choice of expiry, secrets, counters, values.
type File = ([i64; 5], String, [u8; 32], Option<Previous>, (u64, Option<i64>, u64), Vec<(String, String)>);
type Previous = ([u8; 32], Option<i64>);

#[session_runtime::async_trait]
impl Store for FileStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let folder = self.0.lock().await;
        if read(&folder, key)?.is_some() {
            return Ok(Created::Taken);
        }
        write(&folder, key, &record).map(|()| Created::Done)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let folder = self.0.lock().await;
        let Some(mut record) = live(&folder, key, now)? else { return Ok(None) };
        let (bytes, keys) = (record.values.bytes(), record.values.len());
        record.values.retain(|name| wanted.wants(name));
        Ok(Some(Loaded::new(record, bytes, keys)))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let folder = self.0.lock().await;
        let Some(mut record) = live(&folder, key, now)? else { return Ok(Patched::Gone) };
        match patch.refusal(&record.head, |name| record.values.get(name)) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) => {
                record.values.retain(|name| patch.expected().iter().any(|expected| *expected.name == *name));
                return Ok(Patched::Conflict(record));
            }
            None => {}
        }
        patch.apply(&mut record.values);
        patch.apply_head(&mut record.head);
        write(&folder, key, &record)?;
        Ok(Patched::Done(record.head))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        remove(&self.0.lock().await, key)
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let folder = self.0.lock().await;
        let is_over = |key: &SessionKey| matches!(read(&folder, *key), Ok(Some(record)) if record.head.idle_deadline <= now.before(SWEEP_GRACE));
        let expired: Vec<_> = keys(&folder)?.into_iter().filter(is_over).take(limit).collect();
        expired.iter().try_for_each(|key| remove(&folder, *key)).map(|()| expired.len())
    }

    fn supports(&self, capability: Capability) -> bool {
        capability == Capability::Scan
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let (folder, from) = (self.0.lock().await, from.map(Cursor::key).transpose()?);
        let keys: Vec<_> = keys(&folder)?.into_iter().filter(|key| from < Some(*key)).take(limit.max(1)).collect();
        let mut page = Page::new(Vec::new(), keys.last().copied().map(Cursor::from));
        for key in keys {
            match live(&folder, key, now) {
                Ok(record) => page.sessions.extend(record.map(|record| (key, record))),
                Err(error) if error.kind() == StoreErrorKind::Corrupt => page.unreadable.push((key, Damage::Head)),
                Err(error) => return Err(error),
            }
        }
        Ok(page)
    }
}

fn unavailable(cause: std::io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "a file of the folder").because(cause)
}

fn path(folder: &Path, key: SessionKey) -> PathBuf {
    folder.join(format!("{:032x}", u128::from_be_bytes(*key.as_bytes())))
}

fn read(folder: &Path, key: SessionKey) -> Result<Option<Record>, StoreError> {
    match std::fs::read(path(folder, key)) {
        Ok(bytes) => parse(&bytes).map(Some).ok_or(StoreError::new(StoreErrorKind::Corrupt, "load")),
        Err(error) if error.kind() == NotFound => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

fn live(folder: &Path, key: SessionKey, now: Timestamp) -> Result<Option<Record>, StoreError> {
    Ok(read(folder, key)?.filter(|record| now < record.head.idle_deadline))
}

/// In their order.
fn keys(folder: &Path) -> Result<BTreeSet<SessionKey>, StoreError> {
    let entries = std::fs::read_dir(folder).map_err(unavailable)?;
    let names = entries.flatten().filter_map(|entry| u128::from_str_radix(entry.file_name().to_str()?, 16).ok());
    Ok(names.map(|name| SessionKey::from_bytes(name.to_be_bytes())).collect())
}

/// Beside the old file, and then in its place: who stops in between leaves a whole one.
fn write(folder: &Path, key: SessionKey, record: &Record) -> Result<(), StoreError> {
    let (head, millis) = (&record.head, Timestamp::as_millis);
    let moments =
        [head.created, head.touched, head.idle_deadline, head.absolute_deadline, head.secret_since].map(millis);
    let previous = head.previous.as_ref().map(|old| (*old.hash.as_bytes(), old.until.map(millis)));
    let counters = (head.generation, head.generation_since.map(millis), head.revision);
    let values = record.values.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let file: File = (moments, head.expiry.to_string(), *head.secret.as_bytes(), previous, counters, values);
    let (path, bytes) = (path(folder, key), serde_json::to_vec(&file).unwrap());
    std::fs::write(path.with_extension("new"), bytes).map_err(unavailable)?;
    std::fs::rename(path.with_extension("new"), path).map_err(unavailable)
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let (moments, expiry, secret, previous, counters, values): File = serde_json::from_slice(bytes).ok()?;
    let (hash, moment) = (SecretHash::from_bytes, Timestamp::from_millis);
    let [created, touched, idle_deadline, absolute_deadline, secret_since] = moments.map(moment);
    let (generation, since, revision) = counters;
    let head = Head {
        created,
        touched,
        idle_deadline,
        absolute_deadline,
        expiry: expiry.parse().ok()?,
        secret: hash(secret),
        secret_since,
        previous: previous.map(|(old, until)| PreviousSecret { hash: hash(old), until: until.map(moment) }),
        generation,
        generation_since: since.map(moment),
        revision,
    };
    Some(Record::new(head, values.into_iter().map(|(name, text)| (name.into(), text.into())).collect()))
}

fn remove(folder: &Path, key: SessionKey) -> Result<(), StoreError> {
    let removed = std::fs::remove_file(path(folder, key));
    removed.or_else(|error| if error.kind() == NotFound { Ok(()) } else { Err(unavailable(error)) })
}
