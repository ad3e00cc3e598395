//! Work outside requests, on a session given by its key.
//!
//! The rules of a request apply, except that there is no cookie and no touch of the deadline. A merge is never needed:
//! after a conflict, the work runs again on the stored values.

use std::collections::BTreeMap;

use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::pace::Pace;
use crate::record::patch::{Patch, Patched, Precondition};
use crate::record::{Record, Text, key};
use crate::request::budget::Budget;
use crate::request::changes::{Changes, fill, renews};
use crate::request::core::Core;
use crate::schema::codec::Reader;
use crate::schema::snapshot::Snapshot;
use crate::schema::tracked::Tracked;
use crate::schema::{self, FieldSpec, Renew, Schema, SchemaSpec};
use crate::sessions::Sessions;
use crate::store::{Loaded, Wanted};
use crate::sync::Instant;
use crate::version::status::VersionStatus;
use crate::version::versioned::VersionedValues;

impl Sessions {
    /// Returns the values of a schema in one session; `None` if the session does not exist.
    ///
    /// # Errors
    ///
    /// The store is unavailable, a stored value does not decode, or the schema is not one of this application's.
    pub async fn read<S: Schema>(&self, key: &SessionKey) -> Result<Option<S>, SessionError> {
        self.core.index_of::<S>()?;
        let wanted = Wanted::schemas(&[S::KEY]);
        let loaded = self.load(*key, &wanted, &Budget::new(self.core.deadline)).await?;
        let decode = |loaded: Loaded| {
            check_readable(&loaded, S::SPEC)?;
            let mut values = VersionedValues::new(loaded.record.values, self.core.now());
            values.upgrade(S::SPEC, &self.core.versions)?;
            schema::read(&Reader::new(S::SPEC, &snapshot(*key, &values)))
        };
        loaded.map(decode).transpose()
    }

    /// Loads a session, runs `work` on one schema, and saves the changes. Repeats this whenever the record has changed
    /// meanwhile. Returns `None` if the session does not exist.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read), and [`ErrorKind::RenewInJob`] if `work` changed a `renew` field.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, Sessions, store::MemoryStore};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// # let visit = sessions.open([]);
    /// # let mut cart = visit.write::<Cart>().await?;
    /// # cart.set_coupon("SPRING".into());
    /// # cart.save().await?;
    /// # let key = visit.key().unwrap();
    /// sessions.update::<Cart, _>(&key, |cart| cart.clear_coupon()).await?;
    /// assert_eq!(sessions.read::<Cart>(&key).await?.unwrap().coupon(), &None);
    /// # Ok(()) }
    /// ```
    pub async fn update<S: Schema, R>(
        &self,
        key: &SessionKey,
        mut work: impl FnMut(&mut S::Mut) -> R,
    ) -> Result<Option<R>, SessionError> {
        self.core.index_of::<S>()?;
        let budget = Budget::new(self.core.deadline);
        let mut ticket = self.core.queues.enter(*key, &budget).await?;
        let wanted = Wanted::schemas(&[S::KEY]).fresh();
        loop {
            let Some(loaded) = self.load(*key, &wanted, &budget).await? else { return Ok(None) };
            check_readable(&loaded, S::SPEC)?;
            let Loaded { record, bytes, keys, .. } = loaded;
            let (result, patch, values) = run::<S, R>(*key, record, &self.core, &mut work)?;
            if patch.is_empty() {
                return Ok(Some(result));
            }
            self.core.limits.check_patch(&patch, values.stored(), bytes, keys)?;
            match self.core.run(&budget, self.core.store().patch(*key, patch, self.core.now())).await? {
                Patched::Done(_) => return Ok(Some(result)),
                Patched::Gone => return Ok(None),
                Patched::Renewed | Patched::Conflict(_) => ticket.after_conflict(&budget).await?,
            }
        }
    }

    /// Drops the stored section of a schema in one session, without decoding it. Succeeds if the session does not
    /// exist.
    ///
    /// # Errors
    ///
    /// The store is unavailable. [`ErrorKind::RenewInJob`] if a `renew` field of the schema holds more than its
    /// default, or cannot be read: [`destroy`](Self::destroy) the session instead.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, SessionKey, Sessions, store::MemoryStore};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// # let visit = sessions.open([]);
    /// # let mut cart = visit.write::<Cart>().await?;
    /// # cart.set_coupon("SPRING".into());
    /// # cart.save().await?;
    /// # let key = visit.key().unwrap();
    /// sessions.clear::<Cart>(&key).await?;
    /// assert_eq!(sessions.read::<Cart>(&key).await?.unwrap().coupon(), &None);
    /// # Ok(()) }
    /// ```
    pub async fn clear<S: Schema>(&self, key: &SessionKey) -> Result<(), SessionError> {
        self.core.index_of::<S>()?;
        let budget = Budget::new(self.core.deadline);
        let mut ticket = self.core.queues.enter(*key, &budget).await?;
        let wanted = Wanted::schemas(&[S::KEY]).fresh();
        loop {
            let Some(loaded) = self.load(*key, &wanted, &budget).await? else { return Ok(()) };
            let head = &loaded.record.head;
            let mut patch = Patch::on_generation(head.generation);
            patch.precondition = Precondition::Revision(head.revision);
            patch.remove = stored_keys(&loaded, S::SPEC);
            if patch.is_empty() {
                return Ok(());
            }
            if names_user(S::SPEC, loaded, &self.core) {
                return Err(SessionError::at_schema(ErrorKind::RenewInJob, S::SPEC));
            }
            match self.core.run(&budget, self.core.store().patch(*key, patch, self.core.now())).await? {
                Patched::Done(_) | Patched::Gone => return Ok(()),
                Patched::Renewed | Patched::Conflict(_) => ticket.after_conflict(&budget).await?,
            }
        }
    }

    /// Destroys a session. Succeeds if it does not exist.
    ///
    /// # Errors
    ///
    /// The store is unavailable; the outcome is then unknown.
    pub async fn destroy(&self, key: &SessionKey) -> Result<(), SessionError> {
        self.core.run(&Budget::new(self.core.deadline), self.core.store().delete(*key)).await?;
        self.core.watches.over(*key);
        Ok(())
    }

    /// Removes expired records, and returns their number. The fairing does this on its own.
    ///
    /// Works in steps, so that requests keep most of the store. A step removes 16 to 1,000 records: as many as take
    /// about 5 ms, judged from the step before. A pause of three times that time follows, for which the runtime
    /// needs tokio's timers. So a sweep of many records takes four times as long as the store needs for it.
    /// Dropping the future ends the sweep after the step in progress.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or a round trip to it took longer than [`deadline`](crate::SessionConfig::deadline).
    /// Records that earlier steps removed stay removed, and the log has their number.
    pub async fn sweep(&self) -> Result<u64, SessionError> {
        let (mut pace, mut removed) = (Pace::of_sweep(), 0);
        loop {
            let (limit, started) = (pace.size(), Instant::now());
            let step = self.sweep_step(limit).await.inspect_err(|_| log_unfinished(removed))?;
            removed += step as u64;
            if step < limit {
                return Ok(removed);
            }
            pace.pause_after(started.elapsed()).await;
        }
    }

    async fn sweep_step(&self, limit: usize) -> Result<usize, SessionError> {
        self.core.run_in_steps(self.core.store().sweep(limit, self.core.now())).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, budget: &Budget) -> Result<Option<Loaded>, SessionError> {
        self.core.run(budget, self.core.store().load(key, wanted, self.core.now())).await
    }
}

/// Logs the number of records that a sweep removed before it failed; the error itself is the caller's to log.
fn log_unfinished(removed: u64) {
    if removed > 0 {
        tracing::warn!("a sweep failed after it had removed {removed} expired sessions");
    }
}

/// Returns the stored keys of a schema, including those that are lost or damaged.
fn stored_keys(loaded: &Loaded, schema: &SchemaSpec) -> Vec<Text> {
    let readable = loaded.record.values.of_schema(schema.key).map(|(name, _)| name);
    let unreadable = loaded.unreadable.iter().filter(|name| key::is_of_schema(name, schema.key));
    readable.chain(unreadable).cloned().collect()
}

fn check_readable(loaded: &Loaded, schema: &'static SchemaSpec) -> Result<(), SessionError> {
    if loaded.unreadable.iter().any(|name| key::is_of_schema(name, schema.key)) {
        return Err(SessionError::at_schema(ErrorKind::Unreadable, schema));
    }
    Ok(())
}

/// Returns whether a `renew` field holds more than its default, or cannot be read.
fn names_user(schema: &'static SchemaSpec, loaded: Loaded, core: &Core) -> bool {
    let mut renewing = schema.fields().filter(|field| field.renew != Renew::Off).peekable();
    if renewing.peek().is_none() {
        return false;
    }
    let is_readable = check_readable(&loaded, schema).is_ok();
    let mut values = VersionedValues::new(loaded.record.values, core.now());
    let status = values.upgrade(schema, &core.versions);
    let is_set =
        |field: &FieldSpec| values.current().get(field.name).is_some_and(|text| !schema.is_initial(field, text));
    match status {
        Ok(VersionStatus::Same | VersionStatus::Older(_) | VersionStatus::Newer { .. }) if is_readable => {
            renewing.any(is_set)
        }
        _ => true,
    }
}

fn snapshot(key: SessionKey, values: &VersionedValues) -> Snapshot {
    Snapshot::new(key, values.current().clone(), BTreeMap::new(), values.now())
}

fn run<S: Schema, R>(
    key: SessionKey,
    record: Record,
    core: &Core,
    work: &mut impl FnMut(&mut S::Mut) -> R,
) -> Result<(R, Patch, VersionedValues), SessionError> {
    let Record { head, values } = record;
    let mut values = VersionedValues::new(values, core.now());
    values.check_writable(S::SPEC, &core.versions)?;
    let snapshot = snapshot(key, &values);
    let mut value = S::WRAP(Tracked::open(&snapshot)?);
    let result = work(&mut value);
    let found = S::TRACKED(&mut value).take_changes(&snapshot, false, core.ids())?.changes;
    let changes: Changes = found.into_iter().map(|change| (change.name.clone(), change)).collect();
    if renews(&changes) {
        return Err(SessionError::at_schema(ErrorKind::RenewInJob, S::SPEC));
    }
    let mut patch = Patch::on_generation(head.generation);
    fill(&mut patch, &changes, core, &values, head.revision)?;
    patch.precondition = Precondition::Revision(head.revision);
    Ok((result, patch, values))
}
