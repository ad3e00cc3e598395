//! Grammar of a stored key.
//!
//! ```text
//! cart             a schema: its metadata
//! cart.items       a field of the schema
//! cart.items/7     an entry of a field that is stored entry by entry, or an element of a list
//! cart.code~       the deadline of a field with `expires_after`
//! ```
//!
//! The derive refuses a dot, a slash or a tilde in the key of a schema or a field. An entry may contain both, so the first dot
//! and the first slash count. Keys of other programs may break these rules: every text has a schema.

#![cfg_attr(
    not(all(feature = "redis", feature = "postgres", feature = "sqlite", feature = "cookie")),
    allow(dead_code, reason = "each store uses a part")
)]

/// Schema whose section belongs to this library; the derive refuses the key. The section has no metadata and no entries.
pub(crate) const RESERVED: &str = "session";

/// Stored key of the proof of identity.
pub(crate) const PROOF: &str = "session.proof";

/// First byte after the schema.
pub(crate) const BEFORE_FIELD: char = '.';

/// First byte after the field.
pub(crate) const BEFORE_ENTRY: char = '/';

/// Last byte of the key of a deadline, after the field.
const DEADLINE: &str = "~";

/// Splits a stored key into its schema and the rest, which begins with the dot or is empty.
pub(crate) fn split_schema(name: &str) -> (&str, &str) {
    name.split_at(name.find(BEFORE_FIELD).unwrap_or(name.len()))
}

/// Returns the stored key of a field.
pub(crate) fn of_field(schema: &str, field: &str) -> String {
    [schema, ".", field].concat()
}

/// Returns the prefix of the stored keys of the entries of a field.
pub(crate) fn prefix_of_entries(field: &str) -> String {
    [field, "/"].concat()
}

/// Returns the stored key of the deadline of a field.
pub(crate) fn of_deadline(field: &str) -> String {
    [field, DEADLINE].concat()
}

/// Returns whether `name` is the stored key of the deadline of a field.
pub(crate) fn is_deadline_of(name: &str, field: &str) -> bool {
    name.strip_prefix(field) == Some(DEADLINE)
}

/// Returns the prefix of the stored keys of all fields of a schema.
pub(crate) fn prefix_of_fields(schema: &str) -> String {
    of_field(schema, "")
}

/// Returns the part of a field's stored key after the dot; the whole text if it has no dot.
pub(crate) const fn field_in(name: &str) -> &str {
    let mut at = 0;
    while at < name.len() && name.as_bytes()[at] != BEFORE_FIELD as u8 {
        at += 1;
    }
    if at < name.len() { name.split_at(at + 1).1 } else { name }
}

/// Returns the stored key of the field whose entries begin with `prefix`.
pub(crate) const fn field_of_prefix(prefix: &str) -> &str {
    prefix.split_at(prefix.len() - BEFORE_ENTRY.len_utf8()).0
}

/// Returns the part of a stored key after the schema and the dot; `None` unless the key is a field or an entry of it.
pub(crate) fn in_schema<'n>(name: &'n str, schema: &str) -> Option<&'n str> {
    name.strip_prefix(schema)?.strip_prefix(BEFORE_FIELD)
}

/// True if a stored key belongs to this schema: its metadata, a field or an entry.
pub(crate) fn is_of_schema(name: &str, schema: &str) -> bool {
    name.strip_prefix(schema).is_some_and(|rest| rest.is_empty() || rest.starts_with(BEFORE_FIELD))
}

/// True if a key is this field, its deadline or one of its entries. Both keys begin with the schema, or neither does.
pub(crate) fn is_of_field(name: &str, field: &str) -> bool {
    let is_part = |rest: &str| rest.is_empty() || rest.starts_with(BEFORE_ENTRY) || rest == DEADLINE;
    name.strip_prefix(field).is_some_and(is_part)
}

/// True if a stored key is that of a schema, and holds its metadata.
pub(crate) fn is_metadata(name: &str) -> bool {
    !name.contains(BEFORE_FIELD)
}

/// Returns the schema and the dot at the start of a stored key; an empty text if it has no dot.
pub(crate) fn schema_prefix(name: &str) -> &str {
    through(name, BEFORE_FIELD)
}

/// Returns the schema, the field and the slash at the start of a stored key; an empty text if it has no slash.
pub(crate) fn field_prefix(name: &str) -> &str {
    through(name, BEFORE_ENTRY)
}

/// True if a stored key is that of an entry.
pub(crate) fn is_entry(name: &str) -> bool {
    name.contains(BEFORE_ENTRY)
}

fn through(name: &str, mark: char) -> &str {
    name.find(mark).map_or("", |at| &name[..=at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEMA: &str = "[a-z0-9_-]{1,8}";
    const FIELD: &str = "[a-zA-Z0-9_-]{1,8}";

    #[test]
    fn the_proof_is_in_the_reserved_section() {
        assert_eq!(of_field(RESERVED, "proof"), PROOF);
    }

    #[test]
    fn the_first_mark_counts() {
        assert_eq!(split_schema("cart.items/a.b/c"), ("cart", ".items/a.b/c"));
        assert_eq!((split_schema("cart"), split_schema("")), (("cart", ""), ("", "")));
        assert_eq!((schema_prefix("cart.items/a.b"), schema_prefix("cart")), ("cart.", ""));
        assert_eq!((field_in("cart.items/a.b"), field_in("cart")), ("items/a.b", "cart"));
        assert_eq!((field_prefix("cart.items/a/b"), field_prefix("cart.items")), ("cart.items/", ""));
    }

    #[test]
    fn a_key_that_begins_alike_belongs_to_another_schema_or_field() {
        for other in ["cart-2", "cartoon.a", "car", "CART", ""] {
            assert!(!is_of_schema(other, "cart") && in_schema(other, "cart").is_none(), "{other}");
        }
        for other in ["cart.items2", "cart.item", "cart.items.a", "cart.items~a", "cart", ""] {
            assert!(!is_of_field(other, "cart.items"), "{other}");
        }
    }

    proptest! {
        #[test]
        fn parts_come_back(schema in SCHEMA, field in FIELD, entry in ".{0,8}") {
            let name = of_field(&schema, &field);
            let prefix = prefix_of_entries(&name);
            let (entry, deadline) = (format!("{prefix}{entry}"), of_deadline(&name));
            for key in [&name, &entry, &deadline] {
                prop_assert_eq!(split_schema(key).0, &schema);
                prop_assert_eq!(schema_prefix(key), prefix_of_fields(&schema));
                prop_assert!(is_of_schema(key, &schema) && is_of_field(key, &name) && !is_metadata(key));
                prop_assert_eq!(in_schema(key, &schema), Some(field_in(key)));
                prop_assert!(is_of_field(field_in(key), &field));
            }
            prop_assert_eq!(field_in(&name), &field);
            prop_assert_eq!(field_of_prefix(&prefix), &name);
            prop_assert_eq!((field_prefix(&entry), field_prefix(&name)), (&*prefix, ""));
            prop_assert!(is_entry(&entry) && !is_entry(&name) && !is_entry(&deadline));
        }

        #[test]
        fn metadata_is_no_field(schema in SCHEMA) {
            prop_assert!(is_metadata(&schema) && is_of_schema(&schema, &schema));
            prop_assert_eq!((split_schema(&schema), in_schema(&schema, &schema)), ((&*schema, ""), None));
            prop_assert_eq!(schema_prefix(&schema), "");
        }

        #[test]
        fn every_text_has_one_schema(name in "\\PC{0,12}") {
            let (schema, rest) = split_schema(&name);
            prop_assert_eq!([schema, rest].concat(), name.clone());
            prop_assert!(is_of_schema(&name, schema));
            prop_assert_eq!(rest.is_empty(), is_metadata(&name));
            prop_assert_eq!(in_schema(&name, schema).is_some(), !is_metadata(&name));
        }
    }
}
