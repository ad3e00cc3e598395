//! Schemas that are loaded together: all that are not `lazy`, and each lazy one by itself.

use crate::schema::SchemaSpec;
use crate::store::Wanted;

/// Some of the application's schemas.
pub(crate) struct Group {
    /// What to ask the store for.
    pub(crate) wanted: Wanted,
    /// One bit for each schema, in the application's order.
    pub(crate) bits: u32,
}

impl Group {
    pub(crate) fn new(schemas: &[&'static SchemaSpec], bits: u32) -> Self {
        let members = schemas.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        let mut keys: Vec<_> = members.map(|(_, schema)| schema.key).collect();
        keys.sort_unstable();
        Self { wanted: Wanted::schemas(&keys), bits }
    }
}

/// The groups of an application, made once.
pub(crate) struct Groups {
    eager: Group,
    /// For each schema, the group of a lazy one.
    lazy: Vec<Option<Group>>,
}

impl Groups {
    pub(crate) fn new(schemas: &[&'static SchemaSpec]) -> Self {
        let bit = |at: usize| 1 << at;
        let eager = schemas.iter().enumerate().filter(|(_, schema)| !schema.lazy).map(|(at, _)| bit(at)).sum();
        let own = |(at, schema): (usize, &&SchemaSpec)| schema.lazy.then(|| Group::new(schemas, bit(at)));
        Self { eager: Group::new(schemas, eager), lazy: schemas.iter().enumerate().map(own).collect() }
    }

    /// The group of a schema; with `None` what a guard of the whole session needs.
    pub(crate) fn of(&self, schema: Option<usize>) -> &Group {
        schema.and_then(|at| self.lazy[at].as_ref()).unwrap_or(&self.eager)
    }
}
