//! Stored keys of one schema, in the form that upgrade functions edit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{Text, Values, key};
use crate::schema::codec::from_text;
use crate::schema::snapshot::Snapshot;

/// Stored keys of one schema with their JSON texts, as edited by `migrate(from = …, with = …)`.
///
/// Keys are named without the schema: `items`, and `items/7` for an entry of a map that is stored entry by entry.
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
}

impl RawSection {
    /// Returns the stored keys of the schema, without its metadata.
    pub(crate) fn of(schema: &'static str, values: &Values) -> Self {
        let mut section = values.clone();
        section.retain(|name| key::in_schema(name, schema).is_some());
        Self { schema, values: section }
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

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// Fails if the value cannot be written as JSON.
    pub fn write<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(value)?;
        self.values.set(self.name(key).into(), text.into());
        Ok(())
    }

    /// Removes a key, and returns whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.values.remove(&self.name(key)).is_some()
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
        Snapshot::of_values(self.values.clone())
    }
}

/// Shows only the schema's key: the texts are the visitor's data.
impl std::fmt::Debug for RawSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSection").field("schema", &self.schema).finish_non_exhaustive()
    }
}
