//! The stored keys of one schema, as upgrade functions edit them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{Text, Values, belongs};
use crate::schema::codec::from_text;
use crate::schema::snapshot::Snapshot;

/// One schema's stored keys with their JSON texts: what `migrate(from = …, with = …)` edits.
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
    /// The stored keys of the schema, without its metadata.
    pub(crate) fn of(schema: &'static str, values: &Values) -> Self {
        let mut section = values.clone();
        section.retain(|name| name != schema && belongs(name, schema));
        Self { schema, values: section }
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.schema)
    }

    /// The JSON text under a key.
    ///
    /// # Examples
    ///
    /// ```
    /// fn has_coupon(cart: &session_runtime::RawSection) -> bool {
    ///     cart.get("coupon").is_some()
    /// }
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(&self.name(key))
    }

    /// The value under a key, `None` if it is absent.
    ///
    /// # Errors
    ///
    /// The text is not one of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// fn quantity(cart: &session_runtime::RawSection) -> Result<u32, serde_json::Error> {
    ///     Ok(cart.read("quantity")?.unwrap_or(0))
    /// }
    /// ```
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, serde_json::Error> {
        self.get(key).map(from_text).transpose()
    }

    /// Sets a key.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// fn in_cents(cart: &mut session_runtime::RawSection) -> Result<(), serde_json::Error> {
    ///     let euros: u64 = cart.read("total")?.unwrap_or(0);
    ///     cart.write("total", &(euros * 100))
    /// }
    /// ```
    pub fn write<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(value)?;
        self.values.set(self.name(key).into(), text.into());
        Ok(())
    }

    /// Removes a key, and says whether it was there.
    ///
    /// # Examples
    ///
    /// ```
    /// fn forget(cart: &mut session_runtime::RawSection) -> Result<(), std::convert::Infallible> {
    ///     cart.remove("old_total");
    ///     Ok(())
    /// }
    /// ```
    pub fn remove(&mut self, key: &str) -> bool {
        self.values.remove(&self.name(key)).is_some()
    }

    /// The keys, in bytewise order.
    ///
    /// # Examples
    ///
    /// ```
    /// fn lines(cart: &session_runtime::RawSection) -> usize {
    ///     cart.keys().filter(|key| key.starts_with("items/")).count()
    /// }
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| &name[self.schema.len() + 1..])
    }

    /// Moves a key and, of a map that is stored entry by entry, its entries. The version that wrote them knew nothing of
    /// the new name, so what is there already was left by somebody else.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.name(from), self.name(to));
        let moved: Vec<(Text, Text)> = self
            .values
            .prefix(&from)
            .filter(|(name, _)| matches!(name.as_bytes().get(from.len()), None | Some(b'/')))
            .cloned()
            .collect();
        for (name, text) in moved {
            self.values.remove(&name);
            self.values.set(format!("{to}{}", &name[from.len()..]).into(), text);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of_values(self.values.clone())
    }
}

/// Names are the schema's own, texts the visitor's.
impl std::fmt::Debug for RawSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSection").field("schema", &self.schema).finish_non_exhaustive()
    }
}
