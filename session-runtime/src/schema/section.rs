//! Stored keys of one schema, in the form that upgrade functions edit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::record::{Text, Values, key};
use crate::schema::codec::from_text;
use crate::schema::snapshot::Snapshot;
use crate::schema::{FieldSpec, deadline};

/// Stored keys of one schema with their JSON texts, as edited by `migrate(from = …, with = …)`.
///
/// Keys are named without the schema: `items`, `items/7` for an entry of a map that is stored entry by entry or an
/// element of a list, and `code~` for the deadline of a field with `expires_after`.
///
/// # Examples
///
/// ```
/// use session_runtime::RawSection;
///
/// /// Version 1 kept one coupon, version 2 keeps a list of them.
/// fn list_of_coupons(cart: &mut RawSection) -> Result<(), serde_json::Error> {
///     if let Some(coupon) = cart.read::<String>("coupon")? {
///         cart.remove("coupon");
///         cart.write("coupons", &[coupon])?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct RawSection {
    schema: &'static str,
    pub(crate) values: Values,
    /// Stored keys before any change, which have the ids of list elements and the deadlines.
    stored: Values,
    /// Time with which deadlines are compared.
    pub(crate) now: Timestamp,
}

impl RawSection {
    /// Returns the stored keys of the schema, without its metadata.
    pub(crate) fn of(schema: &'static str, values: &Values, now: Timestamp) -> Self {
        let mut section = values.clone();
        section.retain(|name| key::in_schema(name, schema).is_some());
        Self { schema, stored: section.clone(), values: section, now }
    }

    /// Takes the ids of list elements and the deadlines from these values.
    pub(crate) fn stored_as(mut self, stored: &Values) -> Self {
        self.stored = stored.clone();
        self
    }

    /// Returns the deadline that the value of a field has kept, if the value of that key is still the one it belongs to.
    pub(crate) fn deadline_of(&self, field: &FieldSpec) -> Option<Timestamp> {
        let of = |name: &str| {
            let (value, name_of_deadline) = (self.values.get(name)?, key::of_deadline(name));
            let read = |values| deadline::read(values, &name_of_deadline, value);
            read(&self.values).or_else(|| read(&self.stored))
        };
        of(field.name).or_else(|| of(&self.name(field.renamed_from?)))
    }

    /// Returns a snapshot of the stored elements of these lists, under the names that they have now.
    pub(crate) fn elements(&self, lists: impl Iterator<Item = &'static FieldSpec>) -> Snapshot {
        let mut elements = Values::new();
        for field in lists {
            let old = field.renamed_from.map(|from| key::prefix_of_entries(&self.name(from)));
            let prefixes = [Some(field.prefix), old.as_deref()].into_iter().flatten();
            let places = prefixes.flat_map(|prefix| [(prefix, &self.values), (prefix, &self.stored)]);
            let found =
                places.map(|(prefix, values)| (prefix, values.prefix(prefix))).find(|(_, found)| found.len() > 0);
            for (prefix, (name, text)) in
                found.into_iter().flat_map(|(prefix, found)| found.map(move |it| (prefix, it)))
            {
                elements.set([field.prefix, &name[prefix.len()..]].concat().into(), text.clone());
            }
        }
        Snapshot::of_values(elements, self.now)
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    fn name(&self, key: &str) -> String {
        key::of_field(self.schema, key)
    }

    /// Returns the JSON text under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(&self.name(key))
    }

    /// Returns the value under a key; `None` if the key is absent.
    ///
    /// # Errors
    ///
    /// Fails if the text does not decode as this type.
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, serde_json::Error> {
        self.get(key).map(from_text).transpose()
    }

    /// Sets the value of a key. The new value keeps the deadline of the old one.
    ///
    /// # Errors
    ///
    /// Fails if the value cannot be written as JSON.
    pub fn write<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(value)?;
        let name = self.name(key);
        let name_of_deadline = key::of_deadline(&name);
        let deadline = self.values.get(&name).and_then(|old| deadline::read(&self.values, &name_of_deadline, old));
        if let Some(deadline) = deadline {
            self.values.set(name_of_deadline.into(), deadline::text(deadline, &text));
        }
        self.values.set(name.into(), text.into());
        Ok(())
    }

    /// Removes a key with its deadline, and returns whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let name = self.name(key);
        self.values.remove(&key::of_deadline(&name));
        self.values.remove(&name).is_some()
    }

    /// Returns the keys in bytewise order.
    ///
    /// # Examples
    ///
    /// ```
    /// fn lines(cart: &session_runtime::RawSection) -> usize {
    ///     cart.keys().filter(|key| key.starts_with("items/")).count()
    /// }
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(|(name, _)| key::in_schema(name, self.schema))
    }

    /// Renames a key and, for a map that is stored entry by entry, its entries. The version that wrote them did not
    /// use the new name, so texts already under it come from another program and are overwritten.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.name(from), self.name(to));
        let moved: Vec<(Text, Text)> =
            self.values.prefix(&from).filter(|(name, _)| key::is_of_field(name, &from)).cloned().collect();
        for (name, text) in moved {
            self.values.remove(&name);
            self.values.set(format!("{to}{}", &name[from.len()..]).into(), text);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of_values(self.values.clone(), self.now)
    }
}

/// Shows only the schema's key: the texts are the visitor's data.
impl std::fmt::Debug for RawSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSection").field("schema", &self.schema).finish_non_exhaustive()
    }
}
