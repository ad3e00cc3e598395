//! Operations of the store: the parameters of each statement, and the meaning of its rows.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::PostgresStore;
use super::changes::{self, Columns};
use super::connection::Param;
use super::fault::Fault;
use super::head::{self, COLUMNS, HeadColumns, column};
use super::redacted::Redacted;
use super::statement::Statement;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::pace::note_step;
use crate::record::bytes::stored_size;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, key};
use crate::store::{Created, Cursor, Found, Loaded, LoadedHead, Page, SWEEP_GRACE, Wanted};

/// Number of keys that a patch passes one by one. More are passed as arrays.
pub(super) const FEW: usize = 4;

/// Maximum number of sessions that one statement of a sweep removes, so that requests on that connection do not wait for
/// the whole sweep.
const SWEEP_STEP: usize = 200;

impl PostgresStore {
    pub(super) async fn query(&self, statement: Statement, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        self.access.query(self.statements.get(statement), params).await.inspect(|_| note_step())
    }

    pub(super) async fn created(&self, key: SessionKey, record: &Record) -> Result<Created, Fault> {
        self.ready().await?;
        let key = Redacted(&key.as_bytes()[..]);
        let head = HeadColumns::of(record);
        let values = Columns::of_values(&record.values);
        let (schemas, fields, contents) =
            (Redacted(values.schemas), Redacted(values.fields), Redacted(values.contents));
        let [expires, created, touched, ends, kind, number] = &head.times_and_expiry;
        let [revision, bytes, keys] = &head.revision_and_totals;
        let params: [Param<'_>; 19] = [
            &key,
            expires,
            created,
            touched,
            ends,
            kind,
            number,
            &head.secret,
            &head.secret_since,
            &head.previous,
            &head.previous_until,
            &head.generation,
            &head.generation_since,
            revision,
            bytes,
            keys,
            &schemas,
            &fields,
            &contents,
        ];
        let made = count(&self.query(Statement::Create, &params).await?)?;
        Ok(if made == 1 { Created::Done } else { Created::Taken })
    }

    pub(super) async fn loaded(
        &self,
        key: SessionKey,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Loaded>, Fault> {
        self.ready().await?;
        let (key, now) = (Redacted(&key.as_bytes()[..]), Redacted(now.as_millis()));
        let rows = match wanted.keys() {
            None => self.query(Statement::LoadAll, &[&key, &now]).await?,
            Some([schema] | [schema, key::RESERVED] | [key::RESERVED, schema]) => {
                self.query(Statement::LoadOne, &[&key, &now, &schema.as_bytes()]).await?
            }
            Some(schemas) => {
                let schemas = Redacted(schemas.iter().map(|schema| schema.as_bytes()).collect::<Vec<_>>());
                self.query(Statement::Load, &[&key, &now, &schemas]).await?
            }
        };
        rows.first().map(|row| head::loaded(row, wanted)).transpose()
    }

    pub(super) async fn loaded_heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, Fault> {
        self.ready().await?;
        let now = Redacted(now.as_millis());
        let wanted = Redacted(keys.iter().map(|key| &key.as_bytes()[..]).collect::<Vec<_>>());
        let rows = self.query(Statement::Heads, &[&wanted, &now]).await?;
        let found = rows.iter().map(found_head).collect::<Result<HashMap<_, _>, Fault>>()?;
        Ok(keys.iter().map(|key| found.get(key).cloned().unwrap_or(LoadedHead::Absent)).collect())
    }

    pub(super) async fn patched(&self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        self.ready().await?;
        if let Some(head) = self.patched_unchanged(key, patch, now).await? {
            return Ok(Patched::Done(head));
        }
        let (key, now) = (Redacted(&key.as_bytes()[..]), Redacted(now.as_millis()));
        let (generation, revision) = (Redacted(patch.generation.cast_signed()), Redacted(changes::revision(patch)));
        let changes = Columns::of_patch(patch);
        let (schemas, fields, contents) =
            (Redacted(changes.schemas), Redacted(changes.fields), Redacted(changes.contents));
        let (flags, bases) = (Redacted(changes.flags), Redacted(changes.bases));
        let (deadline, secret) = (changes::deadline(patch), changes::secret(patch));
        let deadline = Redacted(deadline.as_ref().map(|deadline| &deadline[..]));
        let hashes = Redacted(secret.as_ref().map(|(_, hashes)| &hashes[..]));
        let secret = Redacted(secret.as_ref().map(|(secret, _)| &secret[..]));
        let params: [Param<'_>; 12] = [
            &key,
            &now,
            &generation,
            &revision,
            &schemas,
            &fields,
            &contents,
            &flags,
            &bases,
            &deadline,
            &secret,
            &hashes,
        ];
        let rows = self.query(Statement::Patch, &params).await?;
        let row = rows.first().ok_or(Fault::Unreadable("answer"))?;
        match column(row, COLUMNS + 1)? {
            0_i16 => Ok(Patched::Done(head::head(row)?)),
            1 => Ok(Patched::Gone),
            2 => Ok(Patched::Renewed),
            _ => Ok(Patched::Conflict(head::record(row, &Wanted::all())?)),
        }
    }

    pub(super) async fn deleted(&self, key: SessionKey) -> Result<(), Fault> {
        self.ready().await?;
        let key = Redacted(&key.as_bytes()[..]);
        self.query(Statement::Delete, &[&key]).await.map(drop)
    }

    pub(super) async fn deleted_if(&self, key: SessionKey, generation: u64) -> Result<bool, Fault> {
        self.ready().await?;
        // The function comes with the index.
        self.index_all().await?;
        let (key, generation) = (Redacted(&key.as_bytes()[..]), Redacted(generation.cast_signed()));
        Ok(count(&self.query(Statement::DeleteIf, &[&key, &generation]).await?)? > 0)
    }

    pub(super) async fn found(
        &self,
        name: &str,
        text: &str,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Found, Fault> {
        self.ready().await?;
        self.index_all().await?;
        let hash = Sha256::digest(text.as_bytes());
        let (hash, most) = (Redacted(&hash[..]), Redacted(stored_size(limit)));
        // Every key sorts after the empty one.
        let after = Redacted(after.as_ref().map_or(&[][..], |key| key.as_bytes()));
        let rows = self.query(Statement::Find, &[&name.as_bytes(), &hash, &after, &most]).await?;
        let keys = rows.iter().map(|row| session_key(column(row, 0)?)).collect::<Result<_, _>>()?;
        Ok(Found::in_order(keys, limit))
    }

    pub(super) async fn swept(&self, limit: usize, now: Timestamp) -> Result<usize, Fault> {
        self.ready().await?;
        let until = Redacted(now.before(SWEEP_GRACE).as_millis());
        let mut removed = 0;
        loop {
            let step = SWEEP_STEP.min(limit - removed);
            let most = Redacted(stored_size(step));
            let swept = count(&self.query(Statement::Sweep, &[&until, &most]).await?)?;
            removed += swept;
            if swept < step || removed == limit {
                return Ok(removed);
            }
        }
    }

    /// Reads `limit` sessions, including expired ones.
    pub(super) async fn scanned(&self, from: Option<SessionKey>, limit: usize, now: Timestamp) -> Result<Page, Fault> {
        self.ready().await?;
        // Every key sorts after the empty one.
        let from = Redacted(from.as_ref().map_or(&[][..], |key| key.as_bytes()));
        let (until, most) = (Redacted(now.as_millis()), Redacted(stored_size(limit)));
        let rows = self.query(Statement::Scan, &[&from, &until, &most]).await?;
        let (mut page, mut last) = (Page::default(), None);
        for row in &rows {
            let key = session_key(column(row, COLUMNS + 1)?)?;
            match head::live_record(row, now) {
                Ok(record) => page.sessions.extend(record.map(|record| (key, record))),
                Err(fault) => page.unreadable.push((key, fault.damage()?)),
            }
            last = Some(key);
        }
        page.next = last.filter(|_| rows.len() == limit).map(Cursor::from);
        Ok(page)
    }
}

/// Reads a head and the key after it.
fn found_head(row: &Row) -> Result<(SessionKey, LoadedHead), Fault> {
    Ok((session_key(column(row, COLUMNS)?)?, head::loaded_head(row)?))
}

fn session_key(bytes: &[u8]) -> Result<SessionKey, Fault> {
    bytes.try_into().map(SessionKey::from_bytes).map_err(|_| Fault::Unreadable("session key"))
}

/// Returns the single number in a result.
fn count(rows: &[Row]) -> Result<usize, Fault> {
    let row = rows.first().ok_or(Fault::Unreadable("answer"))?;
    usize::try_from(column::<i64>(row, 0)?).map_err(|_| Fault::Unreadable("answer"))
}
