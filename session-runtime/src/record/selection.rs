//! What a load is about.

use std::sync::Arc;

use crate::id::SecretHash;
use crate::record::{Head, Text, belongs};

/// What a load is about: which schemas, metadata and entries included, and how much a cache may do in the store's place.
///
/// A store answers what [`wants`](Self::wants) says and need not look at the rest. A cache asks
/// [`allows_copy`](Self::allows_copy) before it answers in the store's place.
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
    /// The shortest first.
    known: Option<Arc<[Text]>>,
    fresh: bool,
    secret: Option<SecretHash>,
}

impl Wanted {
    /// Everything.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(session_runtime::store::Wanted::all().wants("cart.items/7"));
    /// ```
    #[must_use]
    pub const fn all() -> Self {
        Self { schemas: None, known: None, fresh: false, secret: None }
    }

    /// The schemas with these keys, which hold no dot.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(session_runtime::store::Wanted::schemas(&["cart"]).wants("cart"));
    /// ```
    #[must_use]
    pub fn schemas(keys: &[&'static str]) -> Self {
        Self { schemas: Some(keys.into()), known: None, fresh: false, secret: None }
    }

    /// The same, with names and texts that many sessions hold: they are there already, and [`text`](Self::text) shares them.
    pub(crate) fn knowing(mut self, texts: impl Iterator<Item = Text>) -> Self {
        let mut known: Vec<_> = texts.collect();
        known.sort_unstable_by_key(|text| text.len());
        self.known = Some(known.into());
        self
    }

    /// The same from the store itself, past any cache: a base for writes.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::Wanted;
    ///
    /// assert!(Wanted::schemas(&["cart"]).fresh().wants("cart.items/7"));
    /// ```
    #[must_use]
    pub fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// The same for somebody who presents this secret. A copy with another one may be older than a renewal on another
    /// node, so only the store can say whether the secret is right.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{id::SecretHash, store::Wanted};
    ///
    /// let wanted = Wanted::all().opened_by(SecretHash::from_bytes([9; 32]));
    /// assert!(wanted.wants("cart.items/7"));
    /// ```
    #[must_use]
    pub fn opened_by(mut self, secret: SecretHash) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The keys of the schemas; `None` is everything.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(session_runtime::store::Wanted::all().keys(), None);
    /// ```
    #[must_use]
    pub fn keys(&self) -> Option<&[&'static str]> {
        self.schemas.as_deref()
    }

    /// Whether a stored key is wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!session_runtime::store::Wanted::schemas(&["cart"]).wants("cart-2.items"));
    /// ```
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.keys().is_none_or(|keys| keys.iter().any(|schema| belongs(name, schema)))
    }

    /// A name or a text that was read: one that this program has already, if it is a name of a wanted schema's or a text that
    /// many sessions hold; else a new one.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::{Text, Values};
    /// use session_runtime::store::Wanted;
    ///
    /// /// What a row of a table holds.
    /// fn put(values: &mut Values, wanted: &Wanted, name: &str, text: &str) {
    ///     if wanted.wants(name) {
    ///         values.set(wanted.text(name), wanted.text(text));
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn text(&self, text: &str) -> Text {
        let known = self.known.as_deref().unwrap_or_default();
        let from = known.partition_point(|known| known.len() < text.len());
        let mut as_long = known[from..].iter().take_while(|known| known.len() == text.len());
        as_long.find(|known| ***known == *text).map_or_else(|| text.into(), Text::clone)
    }

    /// Whether a cache may answer with a copy that has this head.
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
