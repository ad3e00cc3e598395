//! Selection of the data that a load fetches.

use std::sync::Arc;

use crate::id::SecretHash;
use crate::record::{Head, Text, key};

/// Scope of a load: its schemas, with their metadata and entries, and whether a cache may serve a copy.
///
/// A store returns the keys for which [`wants`](Self::wants) is true and may skip the rest. A cache calls
/// [`allows_copy`](Self::allows_copy) before it serves a copy.
///
/// # Examples
///
/// ```
/// use session_runtime::store::Wanted;
///
/// let wanted = Wanted::schemas(&["cart"]);
/// assert!(wanted.wants("cart") && wanted.wants("cart.items/7"));
/// assert!(!wanted.wants("cartoon") && !wanted.wants("prefs.theme"));
/// assert!(Wanted::all().wants("prefs.theme"));
/// ```
#[derive(Clone, Debug)]
pub struct Wanted {
    schemas: Option<Arc<[&'static str]>>,
    /// Shared names and texts that are too long to be in place, shortest first.
    known: Option<Arc<[Text]>>,
    fresh: bool,
    secret: Option<SecretHash>,
}

impl Wanted {
    /// Selects everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { schemas: None, known: None, fresh: false, secret: None }
    }

    /// Selects the schemas with these keys, which contain no dot.
    #[must_use]
    pub fn schemas(keys: &[&'static str]) -> Self {
        Self { schemas: Some(keys.into()), known: None, fresh: false, secret: None }
    }

    /// Adds names and texts that many sessions hold, so that [`text`](Self::text) shares them instead of copying.
    pub(crate) fn knowing(mut self, texts: impl Iterator<Item = Text>) -> Self {
        let mut known: Vec<_> = texts.filter(|text| text.len() > Text::IN_PLACE).collect();
        known.sort_unstable_by_key(|text| text.len());
        self.known = Some(known.into());
        self
    }

    /// Requires a load from the store itself, past any cache: a base for writes.
    #[must_use]
    pub fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Adds the secret that the request presents. A copy with another secret may be older than a renewal on another
    /// node, so only the store can decide whether the secret is right.
    #[must_use]
    pub fn opened_by(mut self, secret: SecretHash) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Returns the keys of the schemas; `None` means everything.
    #[must_use]
    pub fn keys(&self) -> Option<&[&'static str]> {
        self.schemas.as_deref()
    }

    /// Returns whether a stored key is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.keys().is_none_or(|keys| keys.iter().any(|schema| key::is_of_schema(name, schema)))
    }

    /// Returns the form in memory of a name or text that was read: a long name of a wanted schema, and a long text that
    /// many sessions hold, share the memory of an existing one.
    #[cfg(any(feature = "redis", feature = "postgres", feature = "sqlite", test))]
    pub(crate) fn text(&self, text: &str) -> Text {
        if text.len() <= Text::IN_PLACE {
            return text.into();
        }
        let known = self.known.as_deref().unwrap_or_default();
        let from = known.partition_point(|known| known.len() < text.len());
        let mut as_long = known[from..].iter().take_while(|known| known.len() == text.len());
        as_long.find(|known| ***known == *text).map_or_else(|| text.into(), Text::clone)
    }

    /// Returns whether a cache may serve a copy that has this head.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{record::Record, store::Wanted};
    ///
    /// fn hit(copy: &Record, wanted: &Wanted) -> Option<Record> {
    ///     wanted.allows_copy(&copy.head).then(|| copy.clone())
    /// }
    /// ```
    #[must_use]
    pub fn allows_copy(&self, head: &Head) -> bool {
        !self.fresh && self.secret.is_none_or(|secret| secret == head.secret)
    }
}
