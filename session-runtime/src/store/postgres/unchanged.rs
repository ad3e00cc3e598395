//! Fast path for the usual patch: it sets few keys of a record that is unchanged since it was loaded. One statement
//! replaces the function `session_patch`. Measured: 25 µs of the server's CPU time instead of 75.
//!
//! It applies to a patch that carries the revision and totals of an unchanged record, and returns the new head. It
//! returns `None` for any other patch and for a changed record: then nothing is written, and the function decides.

use super::PostgresStore;
use super::connection::Param;
use super::fault::Fault;
use super::head;
use super::operations::FEW;
use super::redacted::Redacted;
use super::statement::Statement;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::bytes::stored_size;
use crate::record::patch::Patch;
use crate::record::patch::unchanged::UnchangedHint;
use crate::record::{Head, Text, key};

/// Parameters of one key; `None` if there is none.
type Change<'p> = [Redacted<Option<&'p [u8]>>; 3];

impl PostgresStore {
    pub(super) async fn patched_unchanged(
        &self,
        key: SessionKey,
        patch: &Patch,
        now: Timestamp,
    ) -> Result<Option<Head>, Fault> {
        let Some(UnchangedHint { revision, bytes, keys }) = UnchangedHint::of_sets(patch, FEW) else { return Ok(None) };
        let (key, now) = (Redacted(&key.as_bytes()[..]), Redacted(now.as_millis()));
        let [generation, revision, next] =
            [patch.generation, revision, revision.wrapping_add(1)].map(|number| Redacted(number.cast_signed()));
        let [bytes, keys] = [bytes, keys].map(|total| Redacted(stored_size(total)));
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| change(patch.set.get(at)));
        let params: [Param<'_>; 19] = [
            &key,
            &now,
            &generation,
            &revision,
            &next,
            &bytes,
            &keys,
            &first[0],
            &first[1],
            &first[2],
            &second[0],
            &second[1],
            &second[2],
            &third[0],
            &third[1],
            &third[2],
            &fourth[0],
            &fourth[1],
            &fourth[2],
        ];
        let rows = match patch.set.len() {
            1 => self.query(Statement::SetOne, &params[..10]).await?,
            _ => self.query(Statement::SetFew, &params).await?,
        };
        rows.first().map(head::head).transpose()
    }
}

fn change(set: Option<&(Text, Text)>) -> Change<'_> {
    let Some((name, text)) = set else { return [const { Redacted(None) }; 3] };
    let (schema, field) = key::split_schema(name);
    [schema, field, text].map(|part| Redacted(Some(part.as_bytes())))
}
