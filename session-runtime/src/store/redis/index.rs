//! Index: for each value of an indexed key, the sessions that hold it, in a sorted set in a slot of its own.
//!
//! A script reaches one slot, so a session and its entry cannot change in one step. The entry comes first: it is added,
//! and acknowledged, before the session is stored with the value. It may name a session that does not exist or holds the
//! value no longer, so the caller of a lookup loads each session.
//!
//! | an entry is removed | because |
//! |---|---|
//! | after its session was deleted, by its key | a key is never used again |
//! | by a lookup that misses the session, if it is old | the session is gone, and cannot be stored any more |
//! | by a later login, some minutes after the absolute deadline of the session | no node takes the session as alive |
//!
//! A `create` that is still on its way could store its session after a lookup has removed the entry. So it carries an
//! instant after which the server refuses it, [`ACCEPTED`] after the entry was added, and a lookup asks for the session
//! of an entry only [`OLD`] after that. The difference covers clocks of nodes that differ by less than a minute.
//! A patch needs no such instant: it changes only a session that exists, whose entry stays.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ::redis::Value;
use futures_util::future::{join_all, try_join_all};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::head::StoredHead;
use super::script::{self, command};
use super::servers::Route;
use super::{RedisStore, reply, write};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::Patch;
use crate::record::{Text, Values};
use crate::store::{Found, SWEEP_GRACE};

/// Time from the addition of an entry in which the server accepts its session.
const ACCEPTED: Duration = Duration::from_secs(2 * SWEEP_GRACE.as_secs());
/// Age of an entry from which a missing session is gone.
const OLD: Duration = Duration::from_secs(3 * SWEEP_GRACE.as_secs());
/// Time that the removal of an entry may add to the deletion of its session. Later, a lookup removes the entry.
const LEAVE: Duration = Duration::from_millis(100);

/// Indexed stored keys.
#[derive(Default)]
pub(super) struct Index(RwLock<Vec<Text>>);

/// Indexed keys with texts.
type Indexed = Vec<(Text, Text)>;

impl Index {
    pub(super) fn add_names(&self, names: &[Text]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<Text> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        known.extend(new);
    }

    pub(super) fn names(&self) -> Vec<Text> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks that a key is indexed.
    pub(super) fn check(&self, name: &str) -> Result<(), Fault> {
        let is_known = self.names().iter().any(|known| **known == *name);
        if is_known { Ok(()) } else { Err(Fault::unsupported("the key is not indexed")) }
    }

    /// Returns the indexed keys among these values.
    pub(super) fn of_values(&self, values: &Values) -> Indexed {
        let names = self.names().into_iter();
        names.filter_map(|name| values.get_text(&name).cloned().map(|text| (name, text))).collect()
    }

    /// Returns the indexed keys that a patch sets.
    pub(super) fn set_by(&self, patch: &Patch) -> Indexed {
        let names = self.names();
        patch.set.iter().filter(|(name, _)| names.contains(name)).cloned().collect()
    }
}

impl RedisStore {
    /// Adds the entries of a session that is about to be stored. Returns the instant until which the server accepts it.
    pub(super) async fn enter(
        &self,
        key: SessionKey,
        indexed: &Indexed,
        absolute_deadline: Timestamp,
    ) -> Result<Option<i64>, Fault> {
        let ends = write::engine_deadline(absolute_deadline);
        let add = |(name, text): &(Text, Text)| {
            let (route, entries) = self.namespace.entries(digest(name, text));
            let mut command = script::INDEX_ADD.command_on(&entries);
            command.arg(&key.as_bytes()[..]).arg(ends);
            async move { reply::number(&self.servers.run(&script::INDEX_ADD, route, &command).await?) }
        };
        let added = try_join_all(indexed.iter().map(add)).await?;
        let accepted = i64::try_from(ACCEPTED.as_millis()).unwrap_or(i64::MAX);
        Ok(added.into_iter().min().map(|added| added + accepted))
    }

    /// Adds the entries of an existing session before a patch; false if there is no such session.
    pub(super) async fn enter_existing(
        &self,
        key: SessionKey,
        patch: &Patch,
        indexed: &Indexed,
    ) -> Result<bool, Fault> {
        let absolute_deadline = match patch.absolute_deadline {
            None => self.absolute_deadline(key).await?,
            known => known,
        };
        let Some(absolute_deadline) = absolute_deadline else { return Ok(false) };
        self.enter(key, indexed, absolute_deadline).await.map(|_| true)
    }

    /// Reads the absolute deadline of a session; `None` if there is no session.
    async fn absolute_deadline(&self, key: SessionKey) -> Result<Option<Timestamp>, Fault> {
        let main = self.namespace.main(key);
        let head = self.servers.read(&write::load_head(main), Route::Name(main)).await?;
        let decode = |head| StoredHead::decode(head).map(|stored| stored.head.absolute_deadline);
        if head == Value::Nil { Ok(None) } else { reply::text(&head).and_then(decode).map(Some) }
    }

    /// Removes the entries of a session that has been deleted. A failure only leaves them to a lookup.
    pub(super) async fn leave(&self, key: SessionKey, names: &[Text], texts: &[Value]) {
        let held = names.iter().zip(texts).filter_map(|(name, text)| {
            let text = reply::text(text).ok().and_then(|text| str::from_utf8(text).ok())?;
            Some(self.remove_entries(name, text, vec![key.as_bytes().to_vec()]))
        });
        // The session is gone in any case.
        let _ = tokio::time::timeout(LEAVE, join_all(held)).await;
    }

    pub(super) async fn entries(
        &self,
        name: &str,
        text: &str,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Found, Fault> {
        let (route, entries) = self.namespace.entries(digest(name, text));
        let mut command = script::INDEX_FIND.command_on(&entries);
        match after {
            None => command.arg("-"),
            // After all entries of this session.
            Some(key) => command.arg([&b"("[..], &key.as_bytes()[..], &[0xff; 17]].concat()),
        };
        command.arg(limit);
        let answer = self.servers.run(&script::INDEX_FIND, route, &command).await?;
        let keys = reply::list(&answer)?.iter().map(session).collect::<Result<_, _>>()?;
        Ok(Found::in_order(keys, limit))
    }

    /// Removes the entries of sessions that a lookup did not find, if they are old and the sessions are gone.
    pub(super) async fn forget_gone(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), Fault> {
        let (route, entries) = self.namespace.entries(digest(name, text));
        let mut command = script::INDEX_OLD.command_on(&entries);
        command.arg(OLD.as_millis().to_string());
        for key in gone {
            command.arg(&key.as_bytes()[..]);
        }
        let answer = self.servers.run(&script::INDEX_OLD, route, &command).await?;
        let old = reply::list(&answer)?;
        let is_gone = join_all(old.iter().map(|entry| self.is_gone(entry))).await;
        let mut doomed = Vec::new();
        for (entry, is_gone) in old.iter().zip(is_gone) {
            if is_gone? {
                doomed.push(reply::text(entry)?.to_vec());
            }
        }
        if doomed.is_empty() { Ok(()) } else { self.remove_entries(name, text, doomed).await }
    }

    /// True if the session of an entry does not exist.
    async fn is_gone(&self, entry: &Value) -> Result<bool, Fault> {
        let main = self.namespace.main(session(entry)?);
        let mut exists = command("EXISTS", 1, main.len());
        exists.arg(main);
        Ok(reply::number(&self.servers.read(&exists, Route::Name(main)).await?)? == 0)
    }

    /// Removes exactly these entries, or all of the sessions with these keys.
    async fn remove_entries(&self, name: &str, text: &str, doomed: Vec<Vec<u8>>) -> Result<(), Fault> {
        let (route, entries) = self.namespace.entries(digest(name, text));
        let mut command = script::INDEX_REMOVE.command_on(&entries);
        for entry in doomed {
            command.arg(entry);
        }
        self.servers.run(&script::INDEX_REMOVE, route, &command).await.map(drop)
    }
}

/// Digest of an indexed key and a text. Two values with one digest would only add sessions that the caller leaves out.
fn digest(name: &str, text: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(name).chain_update([0]).chain_update(text).finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// Returns the session of an entry.
fn session(entry: &Value) -> Result<SessionKey, Fault> {
    let key = reply::text(entry)?.first_chunk().copied();
    key.map(SessionKey::from_bytes).ok_or_else(Fault::unexpected)
}
