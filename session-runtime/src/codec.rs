//! Fields to stored texts and back.
//!
//! ```text
//! cart             {"v":1}        metadata: the version that wrote the fields
//! cart.coupon      "SPRING"       a field: what serde_json makes of it; an absent key is the default
//! cart.items/7     2              an entry of a field stored entry by entry; an element of a set is `true`
//! ```
//!
//! The part after `/` is the key as serde_json writes it, without the quotes, so no control character reaches an engine.
//! Takes the record as loaded and what this request has changed so far; gives a typed value, and later the changes
//! between that value and the record. Two texts that differ only in the order of an object's keys are one value.
//!
//! Deliberately absent: versions above one; those are `migrate`'s.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{ErrorKind, SessionError};
use crate::merge::Merge;
use crate::record::{Text, Values};
use crate::schema::{Field, FieldOps, FieldSpec, Kind, OnInvalid, SchemaSpec};

/// What a field's type must be: plain data that serde can write and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a session",
    label = "must implement `Serialize` and `DeserializeOwned`",
    note = "derive both of serde's traits for it, or mark the field `#[session(transient)]`"
)]
#[doc(hidden)]
pub trait Storable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {}

/// What a plain field's type must be when no `default = …` is given.
#[diagnostic::on_unimplemented(
    message = "a new session has no value for this field: `{Self}` has no default",
    label = "needs a default",
    note = "make it an `Option`, implement `Default` for the type, or write `#[session(default = ...)]`"
)]
#[doc(hidden)]
pub trait Initial {
    fn initial() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Initial for T {
    fn initial() -> Self {
        Self::default()
    }
}

/// What a `transient` field's type must be: it is handed from guard to guard of one request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a transient field: it is handed from guard to guard of one request",
    label = "must implement `Clone`",
    note = "wrap it in an `Arc`"
)]
#[doc(hidden)]
pub trait Transient: Clone {}

#[diagnostic::do_not_recommend]
impl<T: Clone> Transient for T {}

/// One stored key that a request sets or removes.
#[doc(hidden)]
#[derive(Clone)]
pub struct Change {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    pub(crate) name: Text,
    /// What was there when the request loaded.
    pub(crate) base: Option<Text>,
    /// What is to be there.
    pub(crate) ours: Option<Text>,
}

/// All that one request changes, by stored key.
pub(crate) type Pending = BTreeMap<Text, Change>;

/// Gives the stored texts of one schema, this request's own changes laid over the record.
#[doc(hidden)]
pub struct Reader<'a> {
    schema: &'static SchemaSpec,
    base: &'a Values,
    pending: &'a Pending,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, base: &'a Values, pending: &'a Pending) -> Self {
        Self { schema, base, pending }
    }

    /// A field under one key.
    pub fn whole<S, const I: usize>(&mut self) -> Result<S::Value, SessionError>
    where
        S: Field<I, Value: DeserializeOwned>,
    {
        let spec = &S::FIELDS[I].spec;
        let Some(text) = self.get(spec.name) else { return Ok((S::INITIAL)()) };
        match decode(self.schema, spec, text) {
            Err(_) if self.schema.on_invalid == OnInvalid::Reset => Ok((S::INITIAL)()),
            decoded => decoded,
        }
    }

    /// A field under one key per entry.
    pub fn entries<S, const I: usize>(&mut self) -> Result<S::Value, SessionError>
    where
        S: Field<I, Value: Entries>,
    {
        let spec = &S::FIELDS[I].spec;
        let prefix = entry_prefix(spec);
        let mut value = S::Value::default();
        let stored = self.base.prefix(&prefix).filter(|(name, _)| !self.pending.contains_key(name));
        let stored = stored.map(|(name, text)| (name, text));
        let changed = self.pending.range::<str, _>((std::ops::Bound::Included(prefix.as_str()), std::ops::Bound::Unbounded));
        let changed = changed.take_while(|(name, _)| name.starts_with(&prefix));
        let changed = changed.filter_map(|(name, change)| Some((name, change.ours.as_ref()?)));
        for (name, text) in stored.chain(changed) {
            match decode_entry::<S::Value>(self.schema, spec, &name[prefix.len()..], text) {
                Ok((key, element)) => value.put(key, element),
                Err(_) if self.schema.on_invalid == OnInvalid::Reset => {}
                Err(error) => return Err(error),
            }
        }
        Ok(value)
    }

    /// A field that is never stored.
    pub fn transient<S, const I: usize>(&mut self) -> Result<S::Value, SessionError>
    where
        S: Field<I>,
    {
        Ok((S::INITIAL)())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        match self.pending.get(name) {
            Some(change) => change.ours.as_deref(),
            None => self.base.get(name),
        }
    }
}

/// Gathers what a guard changed.
#[doc(hidden)]
pub struct Changes<'a> {
    base: &'a Values,
    pending: &'a mut Pending,
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    /// Set by name, so stored even if it is the default.
    set: bool,
    /// Cleared or taken, so an absent key is meant.
    cleared: bool,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, base: &'a Values, pending: &'a mut Pending) -> Option<Self> {
        let field = schema.fields().next()?;
        Some(Self { base, pending, schema, field, set: false, cleared: false })
    }

    /// Turns to the next field; what an earlier guard changed in it is found anew.
    pub(crate) fn begin(&mut self, schema: &'static SchemaSpec, field: &'static FieldSpec, set: bool, cleared: bool) {
        let earlier = self.pending.get(field.name).is_some_and(|change| change.ours.is_some());
        (self.schema, self.field, self.set, self.cleared) = (schema, field, set || earlier, cleared);
        self.pending.retain(|_, change| change.field.name != field.name);
    }

    fn put(&mut self, name: Text, base: Option<Text>, ours: Option<Text>) {
        let change = Change { schema: self.schema, field: self.field, name: name.clone(), base, ours };
        self.pending.insert(name, change);
    }
}

/// A row for a field under one key.
#[doc(hidden)]
#[must_use]
pub const fn whole<S, const I: usize>(name: &'static str) -> FieldOps<S>
where
    S: Field<I, Value: Storable>,
{
    FieldOps::new(spec(name, Kind::Whole, is_initial::<S, I>), diff_whole::<S, I>, show::<S, I>)
}

/// A row for a field under one key per entry.
#[doc(hidden)]
#[must_use]
pub const fn entries<S, const I: usize>(name: &'static str) -> FieldOps<S>
where
    S: Field<I, Value: Entries + Serialize>,
{
    FieldOps::new(spec(name, Kind::Entries, |_| false), diff_entries::<S, I>, show::<S, I>)
}

/// A row for a field that is never stored.
#[doc(hidden)]
#[must_use]
pub const fn transient<S, const I: usize>(name: &'static str) -> FieldOps<S>
where
    S: Field<I, Value: Transient>,
{
    FieldOps::new(spec(name, Kind::Transient, |_| true), |_, _| Ok(()), |_| None)
}

const fn spec(name: &'static str, kind: Kind, is_initial: fn(&str) -> bool) -> FieldSpec {
    FieldSpec { name, kind, renew: false, redact: false, unordered: false, merge: Merge::LastWrite, is_initial }
}

fn is_initial<S, const I: usize>(text: &str) -> bool
where
    S: Field<I, Value: Serialize>,
{
    let initial = serde_json::to_string(&(S::INITIAL)());
    initial.is_ok_and(|initial| same_text(Some(&initial), Some(text), S::FIELDS[I].spec.unordered))
}

fn show<S, const I: usize>(value: &S) -> Option<String>
where
    S: Field<I, Value: Serialize>,
{
    serde_json::to_string((S::GET)(value)).ok()
}

fn diff_whole<S, const I: usize>(value: &S, changes: &mut Changes<'_>) -> Result<(), SessionError>
where
    S: Field<I, Value: Serialize + DeserializeOwned>,
{
    let spec = &S::FIELDS[I].spec;
    let text = encode(S::SPEC, spec, (S::GET)(value))?;
    let base = changes.base.get_text(spec.name);
    let is_initial = || (spec.is_initial)(&text);
    // serde_json writes `None` (and a number that JSON lacks) as `null`; an absent key says the same.
    let absent = text == "null" || (changes.cleared && is_initial());
    let unchanged = match base {
        Some(_) if absent => false,
        Some(base) if same_text(Some(base), Some(&text), spec.unordered) => true,
        // A value that does not decode stays stored until somebody really replaces it.
        Some(base) => !changes.set && is_initial() && serde_json::from_str::<S::Value>(base).is_err(),
        None => absent || (!changes.set && is_initial()),
    };
    if !unchanged {
        let base = base.cloned();
        changes.put(spec.name.into(), base, (!absent).then(|| text.into()));
    }
    Ok(())
}

fn diff_entries<S, const I: usize>(value: &S, changes: &mut Changes<'_>) -> Result<(), SessionError>
where
    S: Field<I, Value: Entries>,
{
    let spec = &S::FIELDS[I].spec;
    let value = (S::GET)(value);
    let prefix = entry_prefix(spec);
    let stored = changes.base;
    let (mut name, mut kept) = (prefix.clone(), 0);
    value.each(&mut |key, element| {
        name.truncate(prefix.len());
        key.write(&mut name).map_err(|()| SessionError::at_field(ErrorKind::Unencodable, S::SPEC, spec))?;
        let text = encode(S::SPEC, spec, element)?;
        let base = stored.get_text(&name);
        kept += usize::from(base.is_some());
        if !same_text(base.map(AsRef::as_ref), Some(&text), false) {
            changes.put(name.as_str().into(), base.cloned(), Some(text.into()));
        }
        Ok(())
    })?;
    let before = stored.prefix(&prefix);
    if before.len() == kept {
        return Ok(());
    }
    for (name, text) in before {
        let entry = decode_entry::<S::Value>(S::SPEC, spec, &name[prefix.len()..], text);
        // An entry that was skipped when it was read is no entry that somebody removed.
        let gone = entry.map_or(changes.set || changes.cleared, |(key, _)| !value.holds(&key));
        if gone && !changes.pending.contains_key(name) {
            changes.put(name.clone(), Some(text.clone()), None);
        }
    }
    Ok(())
}

/// The text of a value; names the field when serde refuses.
pub(crate) fn encode<T: Serialize>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<String, SessionError> {
    serde_json::to_string(value).map_err(|_| SessionError::at_field(ErrorKind::Unencodable, schema, field))
}

/// The value of a text; names the field and the wanted type, never the text.
pub(crate) fn decode<T: DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    text: &str,
) -> Result<T, SessionError> {
    serde_json::from_str(text).map_err(|error| SessionError::undecodable::<T>(schema, field, &error))
}

fn decode_entry<T: Entries>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    key: &str,
    text: &str,
) -> Result<(T::Key, T::Value), SessionError> {
    let key = T::Key::read(key).ok_or_else(|| SessionError::undecodable_key::<T::Key>(schema, field))?;
    Ok((key, decode(schema, field, text)?))
}

fn entry_prefix(spec: &FieldSpec) -> String {
    [spec.name, "/"].concat()
}

/// Whether two texts are one value: the order of an object's keys means nothing, nor that of a set.
pub(crate) fn same_text(a: Option<&str>, b: Option<&str>, unordered: bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || same_value(a, b, unordered),
        (a, b) => a == b,
    }
}

fn same_value(a: &str, b: &str, unordered: bool) -> bool {
    let (a, b) = (a.trim(), b.trim());
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let Some((a, b)) = both::<BTreeMap<String, &RawValue>>(a, b) else { return false };
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same_value(a.1.get(), b.1.get(), false))
        }
        (Some(b'['), Some(b'[')) => {
            let Some((mut a, mut b)) = both::<Vec<&RawValue>>(a, b) else { return false };
            if unordered {
                a.sort_by_key(|element| element.get());
                b.sort_by_key(|element| element.get());
            }
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same_value(a.get(), b.get(), false))
        }
        _ => a == b,
    }
}

fn both<'a, T: Deserialize<'a>>(a: &'a str, b: &'a str) -> Option<(T, T)> {
    Some((serde_json::from_str(a).ok()?, serde_json::from_str(b).ok()?))
}

/// A map or a set that `merge = keys` stores entry by entry.
///
/// Implemented for the maps and sets of the standard library whose keys are [`EntryKey`]s.
///
/// # Examples
///
/// ```
/// use session_runtime::codec::Entries;
/// use std::collections::BTreeMap;
///
/// let mut cart = BTreeMap::new();
/// Entries::put(&mut cart, 7_u32, 2_u32);
/// assert!(Entries::holds(&cart, &7));
/// ```
#[diagnostic::on_unimplemented(
    message = "`merge = keys` needs a map or a set, and `{Self}` is none whose keys can be stored one by one",
    label = "not a map or set with storable keys",
    note = "use `HashMap`, `BTreeMap`, `HashSet` or `BTreeSet` with keys that implement `EntryKey`: \
            `String`, integers, `bool`, `char`, unit enums, newtypes of these"
)]
pub trait Entries: Default {
    /// The key of an entry, or the element of a set.
    type Key: EntryKey;
    /// The value of an entry; [`Present`] for a set.
    type Value: Serialize + DeserializeOwned;

    /// Calls `visit` for every entry until it fails.
    ///
    /// # Errors
    ///
    /// The first error of `visit`.
    fn each(
        &self,
        visit: &mut dyn FnMut(&Self::Key, &Self::Value) -> Result<(), SessionError>,
    ) -> Result<(), SessionError>;

    /// Adds an entry.
    fn put(&mut self, key: Self::Key, value: Self::Value);

    /// Whether there is an entry under `key`.
    fn holds(&self, key: &Self::Key) -> bool;
}

macro_rules! maps {
    ($($map:ident<K, V $(, $hasher:ident)?> where K: $($bound:path),*;)*) => {$(
        impl<K, V $(, $hasher)?> Entries for $map<K, V $(, $hasher)?>
        where
            K: EntryKey $(+ $bound)*,
            V: Serialize + DeserializeOwned,
            $($hasher: BuildHasher + Default,)?
        {
            type Key = K;
            type Value = V;

            fn each(&self, visit: &mut dyn FnMut(&K, &V) -> Result<(), SessionError>) -> Result<(), SessionError> {
                self.iter().try_for_each(|(key, value)| visit(key, value))
            }

            fn put(&mut self, key: K, value: V) {
                self.insert(key, value);
            }

            fn holds(&self, key: &K) -> bool {
                self.contains_key(key)
            }
        }
    )*};
}

macro_rules! sets {
    ($($set:ident<K $(, $hasher:ident)?> where K: $($bound:path),*;)*) => {$(
        impl<K $(, $hasher)?> Entries for $set<K $(, $hasher)?>
        where
            K: EntryKey $(+ $bound)*,
            $($hasher: BuildHasher + Default,)?
        {
            type Key = K;
            type Value = Present;

            fn each(&self, visit: &mut dyn FnMut(&K, &Present) -> Result<(), SessionError>) -> Result<(), SessionError> {
                self.iter().try_for_each(|key| visit(key, &Present))
            }

            fn put(&mut self, key: K, _: Present) {
                self.insert(key);
            }

            fn holds(&self, key: &K) -> bool {
                self.contains(key)
            }
        }
    )*};
}

maps! {
    HashMap<K, V, H> where K: Hash, Eq;
    BTreeMap<K, V> where K: Ord;
}

sets! {
    HashSet<K, H> where K: Hash, Eq;
    BTreeSet<K> where K: Ord;
}

/// The stored value of a set's element: `true`.
///
/// # Examples
///
/// ```
/// assert_eq!(serde_json::to_string(&session_runtime::codec::Present)?, "true");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present;

impl Serialize for Present {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(Self),
            false => Err(serde::de::Error::custom("expected `true`")),
        }
    }
}

/// A key that can stand in a stored key: `String`, integers, `bool`, `char`, and what serde writes like one of these.
///
/// For a unit enum or a newtype an empty `impl` is all it takes.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_runtime::EntryKey;
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// enum Size { Small, Large }
/// impl EntryKey for Size {}
///
/// let mut stored = String::from("cart.sizes/");
/// Size::Large.write(&mut stored).unwrap();
/// assert_eq!(stored, "cart.sizes/Large");
/// assert_eq!(Size::read("Large"), Some(Size::Large));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an entry that is stored by itself",
    label = "not usable as a stored key",
    note = "`String`, integers, `bool` and `char` can; for a unit enum or a newtype of these write `impl EntryKey for {Self} {{}}`"
)]
pub trait EntryKey: Serialize + DeserializeOwned {
    /// Appends the key to `out`, as serde_json writes it inside the quotes.
    ///
    /// # Errors
    ///
    /// When serde writes neither a string nor a number nor a `bool`.
    #[allow(clippy::result_unit_err, reason = "there is one way to fail, and the caller knows the field to name")]
    fn write(&self, out: &mut String) -> Result<(), ()> {
        let text = serde_json::to_string(self).map_err(drop)?;
        let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let plain = || text.starts_with(|first: char| first == '-' || first.is_ascii_digit() || "tf".contains(first));
        match inner {
            Some(inner) => out.push_str(inner),
            None if plain() => out.push_str(&text),
            None => return Err(()),
        }
        Ok(())
    }

    /// The key that [`write`](Self::write) turns into exactly this text.
    #[must_use]
    fn read(text: &str) -> Option<Self> {
        let quoted = serde_json::from_str(&["\"", text, "\""].concat());
        let key = quoted.or_else(|_| serde_json::from_str::<Self>(text)).ok()?;
        let mut back = String::with_capacity(text.len());
        key.write(&mut back).ok()?;
        (back == text).then_some(key)
    }
}

impl EntryKey for String {}
impl EntryKey for char {}
impl EntryKey for bool {}

macro_rules! integer_keys {
    ($($int:ty)*) => {$(
        impl EntryKey for $int {
            fn write(&self, out: &mut String) -> Result<(), ()> {
                use std::fmt::Write as _;
                write!(out, "{self}").map_err(drop)
            }

            fn read(text: &str) -> Option<Self> {
                let key: Self = text.parse().ok()?;
                // `parse` also takes "+7" and "007", which nobody wrote.
                let canonical = text == "0" || !text.trim_start_matches('-').starts_with(['0', '+']);
                (canonical && !text.starts_with('+')).then_some(key)
            }
        }
    )*};
}

integer_keys! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }
