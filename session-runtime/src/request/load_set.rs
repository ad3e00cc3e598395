//! Schemas that are loaded together: all that are not `lazy`, and each lazy one by itself.

use crate::record::Text;
use crate::record::Wanted;
use crate::schema::SchemaSpec;
use crate::version::status;

/// Some of the application's schemas.
pub(crate) struct Group {
    /// What to ask the store for.
    pub(crate) wanted: Wanted,
    /// One bit for each schema, in the application's order.
    pub(crate) bits: u32,
}

impl Group {
    pub(crate) fn new(schemas: &[&'static SchemaSpec], bits: u32) -> Self {
        let mut keys: Vec<_> = members(schemas, bits).map(|schema| schema.key).collect();
        keys.sort_unstable();
        Self { wanted: Wanted::schemas(&keys), bits }
    }

    /// One that is asked for again and again.
    fn kept(schemas: &[&'static SchemaSpec], bits: u32) -> Self {
        let Self { wanted, bits } = Self::new(schemas, bits);
        let usual = members(schemas, bits).flat_map(usual).chain(USUAL.map(Text::from));
        Self { wanted: wanted.knowing(usual), bits }
    }
}

fn members(schemas: &[&'static SchemaSpec], bits: u32) -> impl Iterator<Item = &'static SchemaSpec> {
    schemas.iter().enumerate().filter(move |(at, _)| bits & (1 << at) != 0).map(|(_, schema)| *schema)
}

/// Values that fields often have.
const USUAL: [&str; 7] = ["true", "false", "null", "0", "1", "[]", "{}"];

/// Names and texts that nearly each session with this schema holds.
fn usual(schema: &SchemaSpec) -> impl Iterator<Item = Text> {
    let names = schema.fields().map(|field| field.name).chain([schema.key]);
    names.map(Text::from).chain([status::written(schema)])
}

/// The groups of an application, made once.
pub(crate) struct Groups {
    eager: Group,
    /// For each schema, the group of a lazy one.
    lazy: Vec<Option<Group>>,
    /// Those that a session which starts over takes along.
    lasting: Option<Group>,
}

impl Groups {
    pub(crate) fn new(schemas: &[&'static SchemaSpec]) -> Self {
        let bit = |at: usize| 1 << at;
        let eager = schemas.iter().enumerate().filter(|(_, schema)| !schema.lazy).map(|(at, _)| bit(at)).sum();
        let own = |(at, schema): (usize, &&SchemaSpec)| schema.lazy.then(|| Group::kept(schemas, bit(at)));
        let lasting = schemas.iter().enumerate().filter(|(_, schema)| schema.lasting).map(|(at, _)| bit(at)).sum();
        Self {
            eager: Group::kept(schemas, eager),
            lazy: schemas.iter().enumerate().map(own).collect(),
            lasting: (lasting != 0).then(|| Group::new(schemas, lasting)),
        }
    }

    /// The schemas that a session which starts over takes along, if there are any.
    pub(crate) fn lasting(&self) -> Option<&Group> {
        self.lasting.as_ref()
    }

    /// The group of a schema; with `None` what a guard of the whole session needs.
    pub(crate) fn of(&self, schema: Option<usize>) -> &Group {
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

    #[test]
    fn what_nearly_all_sessions_hold_is_in_memory_once() {
        let group = Group::kept(&[Cart::SPEC], 1);
        let is_shared = |text: &str| Arc::ptr_eq(&group.wanted.text(text), &group.wanted.clone().fresh().text(text));
        for text in ["cart", "cart._coupon", r#"{"v":1}"#, "null", "1"] {
            assert_eq!((&*group.wanted.text(text), is_shared(text)), (text, true));
        }
        for text in ["", "cart._c", "prefs", "7", r#""SPRING""#] {
            assert_eq!((&*group.wanted.text(text), is_shared(text)), (text, false));
        }
    }
}
