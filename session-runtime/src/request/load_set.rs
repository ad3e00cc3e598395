//! Load sets: the schemas that are fetched together. All that are not `lazy` form one, and each lazy schema forms its
//! own. Each load also fetches the reserved section, so that the proof of identity is known after the first.

use crate::record::Text;
use crate::record::{Wanted, key};
use crate::schema::SchemaSpec;
use crate::schema::schema_set::SchemaSet;
use crate::version::status;

/// A load set: some of the schemas of the application.
pub(crate) struct LoadSet {
    /// Selection to load from the store.
    pub(crate) wanted: Wanted,
    pub(crate) schemas: SchemaSet,
}

impl LoadSet {
    pub(crate) fn new(all: &[&'static SchemaSpec], schemas: SchemaSet) -> Self {
        let keys = schemas.of(all).map(|schema| schema.key).chain([key::RESERVED]);
        Self { wanted: wanted(keys), schemas }
    }

    /// Returns a load set for the next session, to which the reserved section does not pass.
    fn carried_over(all: &[&'static SchemaSpec], schemas: SchemaSet) -> Self {
        Self { wanted: wanted(schemas.of(all).map(|schema| schema.key)), schemas }
    }

    /// Returns a load set for repeated use, whose usual names and texts are shared in memory.
    fn kept(all: &[&'static SchemaSpec], schemas: SchemaSet) -> Self {
        let Self { wanted, .. } = Self::new(all, schemas);
        let usual = schemas.of(all).flat_map(usual).chain(USUAL.map(Text::from));
        Self { wanted: wanted.knowing(usual), schemas }
    }
}

fn wanted(keys: impl Iterator<Item = &'static str>) -> Wanted {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    Wanted::schemas(&keys)
}

/// Texts that fields often hold, and the name of the proof of identity.
const USUAL: [&str; 8] = [key::PROOF, "true", "false", "null", "0", "1", "[]", "{}"];

/// Returns the names and texts that nearly every session with this schema holds.
fn usual(schema: &SchemaSpec) -> impl Iterator<Item = Text> {
    let names = schema.fields().map(|field| field.name).chain([schema.key]);
    names.map(Text::from).chain([status::written(schema)])
}

/// Load sets of an application, built once.
pub(crate) struct LoadSets {
    eager: LoadSet,
    /// Load set of each lazy schema, by index of the schema.
    lazy: Vec<Option<LoadSet>>,
    /// Schemas that are kept when the session starts over.
    lasting: Option<LoadSet>,
}

impl LoadSets {
    pub(crate) fn new(schemas: &[&'static SchemaSpec]) -> Self {
        let all = || schemas.iter().enumerate();
        let eager = all().filter(|(_, schema)| !schema.lazy).map(|(at, _)| at).collect();
        let own = |(at, schema): (usize, &&SchemaSpec)| schema.lazy.then(|| LoadSet::kept(schemas, SchemaSet::one(at)));
        let lasting: SchemaSet = all().filter(|(_, schema)| schema.lasting).map(|(at, _)| at).collect();
        Self {
            eager: LoadSet::kept(schemas, eager),
            lazy: all().map(own).collect(),
            lasting: (!lasting.is_empty()).then(|| LoadSet::carried_over(schemas, lasting)),
        }
    }

    /// Returns the schemas that are kept when the session starts over, if there are any.
    pub(crate) fn lasting(&self) -> Option<&LoadSet> {
        self.lasting.as_ref()
    }

    /// Returns the load set of a schema; for `None`, the one that guards of the whole session need.
    pub(crate) fn of(&self, schema: Option<usize>) -> &LoadSet {
        schema.and_then(|at| self.lazy[at].as_ref()).unwrap_or(&self.eager)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::Schema;

    #[derive(crate::Session)]
    #[session(key = "cart", version = 1)]
    struct Cart {
        _coupon: Option<String>,
    }

    #[derive(crate::Session)]
    #[session(key = "history", version = 1, lazy, lasting)]
    struct History {
        _page: String,
    }

    #[test]
    fn each_load_includes_the_proof_and_the_next_session_does_not() {
        let sets = LoadSets::new(&[Cart::SPEC, History::SPEC]);
        let all = LoadSet::new(&[Cart::SPEC, History::SPEC], SchemaSet::ALL);
        for load_set in [&all, sets.of(None), sets.of(Some(0)), sets.of(Some(1))] {
            assert!(load_set.wanted.wants(key::PROOF));
        }
        let lasting = sets.lasting().unwrap();
        assert!(lasting.wanted.wants("history._page") && !lasting.wanted.wants(key::PROOF));
    }

    #[test]
    fn texts_of_nearly_all_sessions_are_in_memory_once() {
        let load_set = LoadSet::kept(&[Cart::SPEC], SchemaSet::one(0));
        let is_shared =
            |text: &str| Arc::ptr_eq(&load_set.wanted.text(text), &load_set.wanted.clone().fresh().text(text));
        for text in ["cart", "cart._coupon", key::PROOF, r#"{"v":1}"#, "null", "1"] {
            assert_eq!((&*load_set.wanted.text(text), is_shared(text)), (text, true));
        }
        for text in ["", "cart._c", "prefs", "7", r#""SPRING""#] {
            assert_eq!((&*load_set.wanted.text(text), is_shared(text)), (text, false));
        }
    }
}
