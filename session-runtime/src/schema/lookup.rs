//! [`Lookup`]: the sessions in which an indexed field has a value.

use std::fmt;

use crate::id::SessionKey;
use crate::record::{Text, key};
use crate::schema::{FieldAccess, FieldSpec, Schema, SchemaSpec};

/// Query for the sessions in which an indexed field has one value, for `Sessions::list`, `count` and `destroy_all`.
///
/// Made by the function that `#[session(index)]` generates for a field, such as `Auth::by_user("ann")`.
///
/// # Examples
///
/// ```
/// use session_runtime::{Session, SessionKey, Lookup};
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct Auth {
///     #[session(renew, index)]
///     user: Option<String>,
/// }
///
/// /// All sessions of the user but this one.
/// fn others(user: &str, this: &SessionKey) -> Lookup {
///     Auth::by_user(user).except(this)
/// }
/// ```
#[derive(Clone)]
#[must_use = "a lookup is for `Sessions::list`, `count` or `destroy_all`"]
pub struct Lookup {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    /// Text of the value; `None` if the field cannot have the value.
    pub(crate) text: Option<Text>,
    pub(crate) except: Vec<SessionKey>,
    /// Number of the newest logins to leave out.
    pub(crate) newest: usize,
}

impl Lookup {
    /// Leaves out this session. May be called for several sessions.
    pub fn except(mut self, key: &SessionKey) -> Self {
        self.except.push(*key);
        self
    }

    /// Leaves out the `n` sessions with the newest logins. A session that [`except`](Self::except) names may be one of
    /// them. Default: 0.
    pub const fn except_newest(mut self, n: usize) -> Self {
        self.newest = n;
        self
    }

    /// Stored keys under which the value may be, the current one first.
    pub(crate) fn names(&self) -> Vec<Text> {
        stored_names(self.schema, self.field)
    }
}

/// Shows the stored key only: the value is a visitor's.
impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Lookup");
        fields
            .field("field", &self.field.name)
            .field("except", &self.except.len())
            .field("except_newest", &self.newest);
        fields.finish_non_exhaustive()
    }
}

/// Creates the lookup of a field, as the derive calls it.
#[doc(hidden)]
pub fn lookup<S: Schema, T, K>(field: &FieldAccess<S, T, K>, text: Option<String>) -> Lookup {
    Lookup { schema: S::SPEC, field: field.spec(), text: text.map(Text::from), except: Vec::new(), newest: 0 }
}

/// Returns the stored keys of the indexed fields of these schemas.
pub(crate) fn indexed_names(schemas: &[&'static SchemaSpec]) -> Vec<Text> {
    let fields = schemas.iter().flat_map(|schema| schema.fields().map(move |field| (*schema, field)));
    let indexed = fields.filter(|(_, field)| field.index);
    indexed.flat_map(|(schema, field)| stored_names(schema, field)).collect()
}

/// Returns the stored key of a field, and those that it has in sections of older versions.
fn stored_names(schema: &'static SchemaSpec, field: &'static FieldSpec) -> Vec<Text> {
    let older = |from: &str| Text::from(key::of_field(schema.key, from));
    let mut names = vec![Text::from(field.name)];
    names.extend(field.renamed_from.map(older));
    let mut previous = schema.previous;
    while let Some(schema) = previous {
        let renamed: Vec<Text> = schema
            .fields()
            .filter(|field| names.iter().any(|name| **name == *field.name))
            .filter_map(|field| field.renamed_from.map(older))
            .collect();
        names.extend(renamed);
        previous = schema.previous;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(crate::Session)]
    #[session(key = "auth", version = 1, archived)]
    struct V1 {
        name: Option<String>,
    }

    #[derive(crate::Session)]
    #[session(key = "auth", version = 2, archived, previous = V1, layout = "login:ec0d589b")]
    struct V2 {
        #[session(renamed_from = "name")]
        login: Option<String>,
    }

    #[derive(crate::Session)]
    #[session(key = "auth", version = 3, previous = V2, layout = "user:ec0d589b")]
    struct Auth {
        #[session(renew, index, renamed_from = "login", accessor = "owner")]
        user: Option<String>,
    }

    impl From<V1> for V2 {
        fn from(V1 { name }: V1) -> Self {
            Self { login: name }
        }
    }

    impl From<V2> for Auth {
        fn from(V2 { login }: V2) -> Self {
            Self { user: login }
        }
    }

    #[test]
    fn a_renamed_field_is_looked_up_under_all_its_keys() {
        let lookup = Auth::by_owner("ann");
        assert_eq!(lookup.names(), ["auth.user", "auth.login", "auth.name"].map(Text::from));
        assert_eq!(indexed_names(&[Auth::SPEC]), lookup.names());
        assert_eq!(lookup.text.as_deref(), Some("\"ann\""));
    }

    #[test]
    fn a_lookup_does_not_show_its_value() {
        let shown = format!("{:?}", Auth::by_owner("ann").except(&SessionKey::from_bytes([7; 16])));
        assert_eq!(shown, "Lookup { field: \"auth.user\", except: 1, except_newest: 0, .. }");
    }
}
