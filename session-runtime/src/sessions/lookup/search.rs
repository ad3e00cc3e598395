//! Pages of a lookup, and the end of a session that it found.

use std::collections::HashSet;
use std::pin::pin;

use super::newest::Rank;
use super::{SessionInfo, check_schema};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::pace::give_way;
use crate::record::{Record, Text, key};
use crate::request::budget::Budget;
use crate::request::core::Core;
use crate::request::proof::proof_in;
use crate::schema::lookup::Lookup;
use crate::schema::{FieldSpec, SchemaSpec, deadline};
use crate::sessions::in_flight::InFlight;
use crate::store::{Cursor, Found, Loaded, SWEEP_GRACE, StoreError, StoreErrorKind, Wanted};
use crate::version::status::VersionStatus;
use crate::version::versioned::VersionedValues;

/// Number of sessions that a page reads.
const PAGE: usize = 500;
/// Number of sessions of a page that are loaded at the same time.
const LOADED_AT_ONCE: usize = 64;

/// A lookup in progress.
pub(super) struct Search<'c> {
    core: &'c Core,
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    text: Text,
    /// Stored keys under which the value may be, the oldest first: an upgrade moves a value to a later one. So a session
    /// that is upgraded meanwhile is found under one of the two keys.
    names: Vec<Text>,
    wanted: Wanted,
    /// Position among the names, and in the pages of that name.
    at: usize,
    from: Option<Cursor>,
    /// Sessions that earlier pages returned, if there are several names.
    returned: HashSet<SessionKey>,
}

/// A session that holds the value.
pub(super) enum Candidate {
    /// Its data, and the login generation that was looked at.
    Readable(SessionInfo, u64),
    /// The head cannot be read, so no request can use the session.
    Damaged(SessionKey),
}

impl Candidate {
    pub(super) const fn key(&self) -> SessionKey {
        match self {
            Self::Readable(info, _) => info.key,
            Self::Damaged(key) => *key,
        }
    }

    pub(super) fn info(self) -> Option<SessionInfo> {
        match self {
            Self::Readable(info, _) => Some(info),
            Self::Damaged(_) => None,
        }
    }

    /// Returns the position in the order of a list; `None` if the session has expired by this clock.
    pub(super) fn rank(&self, now: Timestamp) -> Option<Rank> {
        match self {
            Self::Readable(info, _) => (now < info.expires).then(|| info.rank()),
            Self::Damaged(_) => None,
        }
    }
}

impl<'c> Search<'c> {
    pub(super) fn new(core: &'c Core, lookup: &Lookup) -> Result<Self, SessionError> {
        check_schema(core, lookup)?;
        let Lookup { schema, field, .. } = *lookup;
        let unencodable = || SessionError::at_field(ErrorKind::Unencodable, schema, field);
        let text = lookup.text.clone().ok_or_else(unencodable)?;
        let wanted = Wanted::schemas(&[schema.key, key::RESERVED]).fresh();
        let names = lookup.names().into_iter().rev().collect();
        Ok(Self { core, schema, field, text, names, wanted, at: 0, from: None, returned: HashSet::new() })
    }

    /// Reads the next page: the sessions that hold the value and have not expired at `now`, each on one page only. `None`
    /// after the last page.
    pub(super) async fn next_page(&mut self, now: Timestamp) -> Result<Option<Vec<Candidate>>, SessionError> {
        let Some(name) = self.names.get(self.at) else { return Ok(None) };
        let budget = Budget::new(self.core.deadline);
        let (mut found, next) = self.core.run(&budget, pin!(self.read_page(name, now))).await?;
        self.at += usize::from(next.is_none());
        self.from = next;
        if self.names.len() > 1 {
            found.retain(|candidate| self.returned.insert(candidate.key()));
        }
        // A store in memory never waits, so other tasks of this thread would not run.
        give_way().await;
        Ok(Some(found))
    }

    async fn read_page(&self, name: &Text, now: Timestamp) -> Result<(Vec<Candidate>, Option<Cursor>), StoreError> {
        let Found { keys, next } = self.core.store().find(name, &self.text, self.from.as_ref(), PAGE).await?;
        let (mut waiting, mut in_flight) = (keys.into_iter(), InFlight::default());
        let (mut candidates, mut gone) = (Vec::new(), Vec::new());
        loop {
            for key in waiting.by_ref().take(LOADED_AT_ONCE - in_flight.len()) {
                in_flight.push(async move { (key, self.load(key, now).await) });
            }
            match in_flight.next().await {
                Some((key, Ok(None))) => gone.push(key),
                Some((key, loaded)) => candidates.extend(self.candidate(key, loaded)?),
                None => break,
            }
        }
        if !gone.is_empty() {
            // A failure only leaves entries behind.
            let _ = self.core.store().forget(name, &self.text, &gone).await;
        }
        Ok((candidates, next))
    }

    async fn load(&self, key: SessionKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.core.store().load(key, &self.wanted, now).await
    }

    /// Loads a session again; `None` if it does not hold the value or has expired.
    async fn look_again(&self, key: SessionKey) -> Result<Option<Candidate>, StoreError> {
        let loaded = self.load(key, self.core.now().before(SWEEP_GRACE)).await;
        self.candidate(key, loaded)
    }

    /// Judges the outcome of a load; `None` if the session does not hold the value or has expired.
    fn candidate(
        &self,
        key: SessionKey,
        loaded: Result<Option<Loaded>, StoreError>,
    ) -> Result<Option<Candidate>, StoreError> {
        match loaded {
            Ok(loaded) => Ok(loaded.and_then(|loaded| self.holder(key, loaded))),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(Some(Candidate::Damaged(key))),
            Err(error) => Err(error),
        }
    }

    fn holder(&self, key: SessionKey, loaded: Loaded) -> Option<Candidate> {
        let Loaded { record: Record { head, values }, unreadable, .. } = loaded;
        let is_lost = |name: &Text| **name == *self.schema.key || self.names.contains(name);
        let has_text = |name: &Text| values.get_text(name) == Some(&self.text);
        let holds_raw = self.names.iter().any(has_text) || unreadable.iter().any(is_lost);
        let proof = proof_in(&values);
        let is_whole = !unreadable.iter().any(|name| key::is_of_schema(name, self.schema.key));
        let mut values = VersionedValues::new(values, self.core.now());
        let status = if is_whole { values.upgrade(self.schema, &self.core.versions).ok() } else { None };
        let is_unreadable = matches!(status, None | Some(VersionStatus::Discarded));
        let holds = if is_unreadable { holds_raw } else { self.is_held(&values) };
        let info = SessionInfo {
            key,
            created: head.created,
            touched: head.touched,
            expires: head.idle_deadline,
            proved: proof.and_then(|(at, generation)| (generation == head.generation).then_some(at)),
            login: proof.map_or_else(|| head.generation_since.unwrap_or(head.created), |(at, _)| at),
            is_unreadable,
        };
        holds.then_some(Candidate::Readable(info, head.generation))
    }

    /// An upgrade may have changed the value, and the value may have expired.
    fn is_held(&self, values: &VersionedValues) -> bool {
        let current = values.current();
        current.get_text(self.field.name) == Some(&self.text)
            && !deadline::has_passed(self.field, current, values.now())
    }

    /// Ends a session, unless it no longer holds the value after another login. Returns whether this call has ended it.
    pub(super) async fn end(&self, found: Candidate) -> Result<bool, SessionError> {
        let (budget, mut candidate) = (Budget::new(self.core.deadline), Some(found));
        while let Some(found) = candidate {
            let key = found.key();
            if self.core.run(&budget, pin!(self.delete(found))).await? {
                self.core.watches.over(key);
                return Ok(true);
            }
            candidate = self.core.run(&budget, pin!(self.look_again(key))).await?;
        }
        Ok(false)
    }

    /// Deletes a session of the generation that was looked at. One that cannot be read has no generation.
    async fn delete(&self, found: Candidate) -> Result<bool, StoreError> {
        match found {
            Candidate::Damaged(key) => self.core.store().delete(key).await.map(|()| true),
            Candidate::Readable(info, generation) => self.core.store().delete_if(info.key, generation).await,
        }
    }
}
