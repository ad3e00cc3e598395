//! Load sets: the schemas that one load fetches together.
//!
//! Each lazy schema has a load set of its own. Of the other schemas, the eager ones, a request fetches those that earlier
//! requests of its kind asked for, see [`learned`](super::learned). Every load also fetches the reserved section, so the
//! first load of a request gives the proof of identity.

use super::learned::{Kind, Learned};
use super::load::Purpose;
use crate::record::Text;
use crate::record::{Wanted, key};
use crate::schema::SchemaSpec;
use crate::schema::schema_set::SchemaSet;
use crate::sync::OnceLock;
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

    /// Returns a load set for repeated use, whose usual names and texts take no memory in each session.
    fn kept(all: &[&'static SchemaSpec], schemas: SchemaSet) -> Self {
        let Self { wanted, .. } = Self::new(all, schemas);
        Self { wanted: wanted.knowing(schemas.of(all).flat_map(usual)), schemas }
    }
}

fn wanted(keys: impl Iterator<Item = &'static str>) -> Wanted {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    Wanted::schemas(&keys)
}

/// Returns the names and the text that nearly every session with this schema holds.
fn usual(schema: &SchemaSpec) -> impl Iterator<Item = Text> {
    let names = schema.fields().map(|field| field.name).chain([schema.key]);
    names.map(Text::from).chain([status::written(schema)])
}

/// Load sets of an application.
pub(crate) struct LoadSets {
    schemas: Vec<&'static SchemaSpec>,
    eager: LoadSet,
    /// Eager schemas that every first load fetches: those that are kept when the session starts over.
    always: SchemaSet,
    /// Load set of each lazy schema, by index of the schema.
    lazy: Vec<Option<LoadSet>>,
    /// Schemas that are kept when the session starts over.
    lasting: Option<LoadSet>,
    /// Schemas that requests ask for; `None` if each load fetches all eager schemas.
    learned: Option<Learned>,
    /// Load sets of some of the eager schemas, each built when it is first needed.
    parts: Box<[OnceLock<LoadSet>]>,
}

/// Maximum number of parts of the eager schemas that have a load set.
const PARTS: usize = 32;

impl LoadSets {
    /// Creates the load sets. `learns`: requests need not fetch all eager schemas.
    pub(crate) fn new(schemas: &[&'static SchemaSpec], learns: bool) -> Self {
        let set = |of: fn(&SchemaSpec) -> bool| -> SchemaSet {
            schemas.iter().enumerate().filter(|(_, schema)| of(schema)).map(|(at, _)| at).collect()
        };
        let own = |(at, schema): (usize, &&SchemaSpec)| schema.lazy.then(|| LoadSet::kept(schemas, SchemaSet::one(at)));
        let (eager, lasting) = (set(|schema| !schema.lazy), set(|schema| schema.lasting));
        let always = set(|schema| schema.lasting && !schema.lazy);
        Self {
            schemas: schemas.to_vec(),
            eager: LoadSet::kept(schemas, eager),
            always,
            lazy: schemas.iter().enumerate().map(own).collect(),
            lasting: (!lasting.is_empty()).then(|| LoadSet::carried_over(schemas, lasting)),
            learned: (learns && eager.bits().count_ones() > 1).then(Learned::new),
            parts: (0..PARTS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Returns the schemas that are kept when the session starts over, if there are any.
    pub(crate) fn lasting(&self) -> Option<&LoadSet> {
        self.lasting.as_ref()
    }

    /// Returns all schemas that are not lazy.
    pub(crate) fn eager(&self) -> &LoadSet {
        &self.eager
    }

    /// Returns the schemas that must be loaded before a guard of this schema exists; for `None`, a guard of the whole
    /// session. A guard that may log a visitor in needs all eager schemas: if another request has logged in meanwhile,
    /// the login gets a session of its own, with the values that were loaded.
    pub(crate) fn required(&self, schema: Option<usize>, purpose: Purpose) -> SchemaSet {
        let may_log_in = |at: usize| purpose == Purpose::Write && self.schemas[at].has_user;
        match schema {
            Some(at) if self.lazy[at].is_some() || !may_log_in(at) => SchemaSet::one(at),
            _ => self.eager.schemas,
        }
    }

    /// Returns the load set to fetch for a guard. `loaded`: schemas that need not be fetched again.
    pub(crate) fn of(
        &self,
        schema: Option<usize>,
        purpose: Purpose,
        loaded: SchemaSet,
        kind: Option<Kind>,
    ) -> &LoadSet {
        if let Some(lazy) = schema.and_then(|at| self.lazy[at].as_ref()) {
            return lazy;
        }
        let required = self.required(schema, purpose);
        if loaded.overlaps(self.eager.schemas) {
            return self.part(required.without(loaded));
        }
        let Some(asked) = kind.and_then(|kind| self.learned.as_ref()?.of(kind)) else { return &self.eager };
        self.part(asked.and(required).and(self.always))
    }

    /// Returns the load set of these eager schemas, or that of all if there are too many different ones.
    fn part(&self, schemas: SchemaSet) -> &LoadSet {
        if schemas == self.eager.schemas {
            return &self.eager;
        }
        let parts = self.parts.iter().map(|slot| slot.get_or_init(|| LoadSet::kept(&self.schemas, schemas)));
        parts.into_iter().find(|part| part.schemas == schemas).unwrap_or(&self.eager)
    }

    /// Returns the kind of a request that asks for a first schema; `None` if that is not an eager one, or if there is
    /// nothing to learn.
    pub(crate) fn kind(&self, route: usize, schema: Option<usize>) -> Option<Kind> {
        let first = schema.filter(|at| self.learned.is_some() && self.lazy[*at].is_none())?;
        Some(Kind::new(route, first))
    }

    /// Records the schemas that a request has asked for.
    pub(crate) fn learn(&self, kind: Kind, asked: SchemaSet) {
        if let Some(learned) = &self.learned {
            learned.add(kind, asked.common(self.eager.schemas));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[derive(crate::Session)]
    #[session(key = "cart", version = 1)]
    struct Cart {
        _coupon: Option<String>,
        _address_of_the_recipient: Option<String>,
    }

    #[test]
    fn each_load_includes_the_proof_and_the_next_session_does_not() {
        let sets = LoadSets::new(&ALL, true);
        let of = |schema| sets.of(schema, Purpose::Read, SchemaSet::EMPTY, None);
        for load_set in [&LoadSet::new(&ALL, SchemaSet::ALL), of(None), of(Some(0)), of(Some(3)), sets.part(set([1]))] {
            assert!(load_set.wanted.wants(key::PROOF));
        }
        let lasting = sets.lasting().unwrap();
        assert!(lasting.wanted.wants("prefs._theme") && !lasting.wanted.wants(key::PROOF));
    }

    #[test]
    fn texts_of_nearly_all_sessions_are_in_memory_once() {
        let load_set = LoadSet::kept(&[Cart::SPEC], SchemaSet::one(0));
        let again = load_set.wanted.clone().fresh();
        let is_shared = |text: &str| load_set.wanted.text(text).as_ptr() == again.text(text).as_ptr();
        let is_once = |text: &str| text.len() <= Text::IN_PLACE || is_shared(text);
        for text in ["cart", "cart._coupon", key::PROOF, r#"{"v":1}"#, "null", "cart._address_of_the_recipient"] {
            assert_eq!((&*load_set.wanted.text(text), is_once(text)), (text, true));
        }
        for text in ["prefs._address_of_the_recipient", "cart._address_of_the_recipien", r#""a text of 24 characters""#]
        {
            assert_eq!((&*load_set.wanted.text(text), is_once(text)), (text, false));
        }
    }

    #[derive(crate::Session)]
    #[session(key = "auth", version = 1)]
    struct Auth {
        #[session(renew)]
        _user: Option<String>,
    }

    #[derive(crate::Session)]
    #[session(key = "prefs", version = 1, lasting)]
    struct Prefs {
        _theme: u8,
    }

    #[derive(crate::Session)]
    #[session(key = "history", version = 1, lazy)]
    struct History {
        _pages: Vec<String>,
    }

    const ALL: [&SchemaSpec; 4] = [Cart::SPEC, Auth::SPEC, Prefs::SPEC, History::SPEC];
    const EAGER: [usize; 3] = [0, 1, 2];

    fn set<const N: usize>(schemas: [usize; N]) -> SchemaSet {
        schemas.into_iter().collect()
    }

    /// Schemas that a request of route 7 loads for its first guard.
    fn first(load_sets: &LoadSets, schema: Option<usize>, purpose: Purpose) -> SchemaSet {
        load_sets.of(schema, purpose, SchemaSet::EMPTY, load_sets.kind(7, schema)).schemas
    }

    #[test]
    fn a_kind_that_is_not_known_loads_all_eager_schemas() {
        let load_sets = LoadSets::new(&ALL, true);
        assert_eq!(first(&load_sets, Some(0), Purpose::Read), set(EAGER));
        assert_eq!(first(&load_sets, Some(3), Purpose::Read), set([3]));
        assert_eq!((load_sets.kind(7, Some(3)), load_sets.kind(7, None)), (None, None));
    }

    /// With those that are lasting: a session that starts over keeps them, even if they can no longer be read.
    #[test]
    fn a_known_kind_loads_what_it_asked_for() {
        let load_sets = LoadSets::new(&ALL, true);
        let kind = load_sets.kind(7, Some(0)).unwrap();
        load_sets.learn(kind, set([0, 3]));
        assert_eq!(first(&load_sets, Some(0), Purpose::Read), set([0, 2]));
        assert_eq!(first(&load_sets, Some(1), Purpose::Read), set(EAGER), "another kind");
        let later = |schema| load_sets.of(schema, Purpose::Read, set([0, 2]), Some(kind)).schemas;
        assert_eq!((later(Some(1)), later(None), later(Some(3))), (set([1]), set([1]), set([3])));
        load_sets.learn(kind, set([1]));
        assert_eq!(first(&load_sets, Some(0), Purpose::Read), set(EAGER));
    }

    #[test]
    fn a_guard_that_may_log_in_and_one_of_the_whole_session_need_all_eager_schemas() {
        let load_sets = LoadSets::new(&ALL, true);
        load_sets.learn(load_sets.kind(7, Some(1)).unwrap(), set([1]));
        assert_eq!(first(&load_sets, Some(1), Purpose::Write), set(EAGER));
        assert_eq!(first(&load_sets, Some(1), Purpose::Read), set([1, 2]));
        assert_eq!(load_sets.required(None, Purpose::Read), set(EAGER));
        assert_eq!(load_sets.required(Some(1), Purpose::Write), set(EAGER));
    }

    #[test]
    fn a_cache_and_a_cookie_load_all_eager_schemas() {
        let load_sets = LoadSets::new(&ALL, false);
        assert_eq!(load_sets.kind(7, Some(0)), None);
        assert_eq!(first(&load_sets, Some(0), Purpose::Write), set(EAGER));
    }

    #[test]
    fn parts_beyond_the_most_are_loaded_with_all() {
        let load_sets = LoadSets::new(&ALL, true);
        load_sets.parts.iter().for_each(|part| _ = part.get_or_init(|| LoadSet::new(&ALL, SchemaSet::EMPTY)));
        assert_eq!(load_sets.part(set([0])).schemas, set(EAGER));
    }
}
