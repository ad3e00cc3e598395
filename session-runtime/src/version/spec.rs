//! Table of one schema, with the functions that upgrade and downgrade its stored sections.

use crate::schema::{Role, Schema, SchemaSpec, defers, has_user, layout};
use crate::version::upgrade;

/// Returns the `SPEC` of a schema, for the code that the derive generates.
#[must_use]
pub const fn spec<S: Schema>() -> SchemaSpec {
    SchemaSpec {
        key: S::KEY,
        version: S::VERSION,
        lazy: S::OPTIONS.lazy,
        on_invalid: S::OPTIONS.on_invalid,
        on_newer: S::OPTIONS.on_newer,
        has_transient: S::OPTIONS.has_transient,
        lasting: S::OPTIONS.lasting,
        has_user: has_user(S::FIELDS),
        defers: defers(S::FIELDS),
        is_archived: <S::Role as Role>::IS_ARCHIVED,
        name: S::NAME,
        type_id: std::any::TypeId::of::<S>,
        readers: layout::allowed::<S>().0,
        writers: layout::allowed::<S>().1,
        layout: layout::whole::<S>,
        #[cfg(feature = "rocket")]
        to_paste: layout::to_paste::<S>,
        previous: match &S::HISTORY.previous {
            Some(previous) => Some(previous.spec),
            None => None,
        },
        upgrade: upgrade::upgrade_section::<S>,
        reads: upgrade::reads::<S>,
        downgrade: upgrade::downgrade_section::<S>,
        downgraded_metadata: upgrade::downgraded_metadata::<S>,
        field: |at| S::FIELDS.get(at).map(|ops| &ops.spec),
        initial: |at| S::FIELDS[at].access.initial(),
        is_initial: |at, text| S::FIELDS[at].access.is_initial(text),
    }
}
