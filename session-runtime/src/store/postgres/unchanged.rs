//! The usual patch: it sets few keys, and nobody has changed the record since it was loaded. One statement without the
//! function `session_patch`, at less than half of what that costs the server.
//!
//! Takes a patch that says what holds if the record is unchanged. Gives the head, or nothing if it is another kind of patch
//! or the record is not so any more: nothing is written then, and the function decides.

use super::PostgresStore;
use super::changes::parts;
use super::connection::Param;
use super::fault::Fault;
use super::head::{self, stored};
use super::operations::FEW;
use super::redacted::Quiet;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Unchanged};
use crate::record::{Head, Text};

/// A key as the statements take it; `None` where there is none.
type Change<'p> = [Quiet<Option<&'p [u8]>>; 3];

impl PostgresStore {
    pub(super) async fn patched_unchanged(
        &self,
        key: SessionKey,
        patch: &Patch,
        now: Timestamp,
    ) -> Result<Option<Head>, Fault> {
        let Some(Unchanged { revision, bytes, keys }) = patch.only_sets(FEW) else { return Ok(None) };
        let (key, now) = (Quiet(&key.as_bytes()[..]), Quiet(now.as_millis()));
        let [generation, revision, next] =
            [patch.generation, revision, revision.wrapping_add(1)].map(|number| Quiet(number.cast_signed()));
        let [bytes, keys] = [bytes, keys].map(|total| Quiet(stored(total)));
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
            1 => self.access.query(&self.statements.set_one, &params[..10]).await?,
            _ => self.access.query(&self.statements.set_few, &params).await?,
        };
        rows.first().map(head::head).transpose()
    }
}

fn change(set: Option<&(Text, Text)>) -> Change<'_> {
    let Some((name, text)) = set else { return [const { Quiet(None) }; 3] };
    let (schema, field) = parts(name);
    [schema, field, text].map(|part| Quiet(Some(part.as_bytes())))
}
