//! Maps and sets that are stored entry by entry, and the types of their keys.
//!
//! The part of a stored key after `/` is the entry's key as `serde_json` writes it, without the quotes. It is escaped,
//! so that no control character reaches a store. A key is read only from the exact text that it is written as.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::SessionError;

/// Callback of [`Entries::each`].
type Visit<'v, K, V> = dyn FnMut(&K, &V) -> Result<(), SessionError> + 'v;

/// Map or set that `merge = keys` stores entry by entry.
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
    message = "`merge = keys` needs a map or a set, and `{Self}` cannot be stored entry by entry",
    label = "not a map or set with storable keys",
    note = "use `HashMap`, `BTreeMap`, `HashSet` or `BTreeSet` with keys that implement `EntryKey`: \
            `String`, integers, `bool`, `char`, unit enums, newtypes of these"
)]
pub trait Entries: Default {
    /// Key of an entry, or element of a set.
    type Key: EntryKey;
    /// Value of an entry; [`Present`] for a set.
    type Value: Serialize + DeserializeOwned;

    /// Calls `visit` for every entry, and stops at the first error.
    ///
    /// # Errors
    ///
    /// Returns the first error of `visit`.
    fn each(&self, visit: &mut Visit<'_, Self::Key, Self::Value>) -> Result<(), SessionError>;

    /// Adds an entry.
    fn put(&mut self, key: Self::Key, value: Self::Value);

    /// Adds many entries at once. Of two with the same key, the later one stays.
    fn put_all(&mut self, entries: Vec<(Self::Key, Self::Value)>) {
        for (key, value) in entries {
            self.put(key, value);
        }
    }

    /// Returns whether there is an entry under `key`.
    fn holds(&self, key: &Self::Key) -> bool;
}

/// Map or set whose entries can be read and removed one at a time, as the attribute `entries` requires.
///
/// Implemented for the maps and sets of the standard library whose keys are [`EntryKey`]s and whose values are `Clone`.
///
/// # Examples
///
/// ```
/// use session_runtime::codec::SingleEntries;
/// use std::collections::BTreeMap;
///
/// let mut cart = BTreeMap::from([(7_u32, 2_u32)]);
/// assert_eq!(SingleEntries::get(&cart, &7), Some(&2));
/// assert_eq!(SingleEntries::remove(&mut cart, &7), Some(2));
/// ```
#[diagnostic::on_unimplemented(
    message = "`entries` needs a map or a set with values that can be copied, and `{Self}` is none",
    label = "not a map or set whose entries can be accessed one by one",
    note = "use `HashMap`, `BTreeMap`, `HashSet` or `BTreeSet`, and implement `Clone` for the values"
)]
pub trait SingleEntries: Entries<Value: Clone> {
    /// Returns the value under `key`.
    fn get(&self, key: &Self::Key) -> Option<&Self::Value>;

    /// Removes the entry under `key` and returns its value.
    fn remove(&mut self, key: &Self::Key) -> Option<Self::Value>;
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

            fn each(&self, visit: &mut Visit<'_, K, V>) -> Result<(), SessionError> {
                self.iter().try_for_each(|(key, value)| visit(key, value))
            }

            fn put(&mut self, key: K, value: V) {
                self.insert(key, value);
            }

            fn put_all(&mut self, entries: Vec<(K, V)>) {
                if self.is_empty() {
                    *self = entries.into_iter().collect();
                } else {
                    self.extend(entries);
                }
            }

            fn holds(&self, key: &K) -> bool {
                self.contains_key(key)
            }
        }

        impl<K, V $(, $hasher)?> SingleEntries for $map<K, V $(, $hasher)?>
        where
            K: EntryKey $(+ $bound)*,
            V: Serialize + DeserializeOwned + Clone,
            $($hasher: BuildHasher + Default,)?
        {
            fn get(&self, key: &K) -> Option<&V> {
                self.get(key)
            }

            fn remove(&mut self, key: &K) -> Option<V> {
                self.remove(key)
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

            fn each(&self, visit: &mut Visit<'_, K, Present>) -> Result<(), SessionError> {
                self.iter().try_for_each(|key| visit(key, &Present))
            }

            fn put(&mut self, key: K, _: Present) {
                self.insert(key);
            }

            fn put_all(&mut self, entries: Vec<(K, Present)>) {
                let keys = entries.into_iter().map(|(key, _)| key);
                if self.is_empty() {
                    *self = keys.collect();
                } else {
                    self.extend(keys);
                }
            }

            fn holds(&self, key: &K) -> bool {
                self.contains(key)
            }
        }

        impl<K $(, $hasher)?> SingleEntries for $set<K $(, $hasher)?>
        where
            K: EntryKey $(+ $bound)*,
            $($hasher: BuildHasher + Default,)?
        {
            fn get(&self, key: &K) -> Option<&Present> {
                self.contains(key).then_some(&Present)
            }

            fn remove(&mut self, key: &K) -> Option<Present> {
                self.remove(key).then_some(Present)
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

/// Stored value of a set's element: `true`.
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
        if bool::deserialize(deserializer)? { Ok(Self) } else { Err(serde::de::Error::custom("expected `true`")) }
    }
}

/// Type that can be the key of an entry: `String`, integers, `bool`, `char`, and types that serde writes like one of
/// these.
///
/// A unit enum or a newtype needs only an empty `impl`.
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
    note = "`String`, integers, `bool`, `char` and addresses can, and ids and dates with the features of their crates",
    note = "for a unit enum of your own, or a newtype around one of these: `impl EntryKey for ... {{}}`",
    note = "another crate's type goes into a newtype of your own that has this impl"
)]
pub trait EntryKey: Serialize + DeserializeOwned {
    /// True if no two keys are written alike and each reads back unchanged, so that no check is needed.
    #[doc(hidden)]
    const IS_CANONICAL: bool = false;

    /// Appends the key to `out`, as `serde_json` writes it inside the quotes.
    ///
    /// # Errors
    ///
    /// Fails if serde writes neither a string, nor a number, nor a `bool`.
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

    /// Returns the key that [`write`](Self::write) turns into exactly this text.
    #[must_use]
    fn read(text: &str) -> Option<Self> {
        let quoted = serde_json::from_str(&["\"", text, "\""].concat());
        let key = quoted.or_else(|_| serde_json::from_str::<Self>(text)).ok()?;
        let mut back = String::with_capacity(text.len());
        key.write(&mut back).ok()?;
        (back == text).then_some(key)
    }
}

macro_rules! plain_keys {
    ($($ty:ty)*) => {$(
        impl EntryKey for $ty {
            const IS_CANONICAL: bool = true;
        }
    )*};
}

plain_keys! { String char bool }

macro_rules! integer_keys {
    ($($int:ty)*) => {$(
        impl EntryKey for $int {
            const IS_CANONICAL: bool = true;

            fn write(&self, out: &mut String) -> Result<(), ()> {
                out.push_str(itoa::Buffer::new().format(*self));
                Ok(())
            }

            fn read(text: &str) -> Option<Self> {
                let key: Self = text.parse().ok()?;
                // `parse` also accepts "+7" and "007", which `write` never produces.
                let canonical = text == "0" || !text.trim_start_matches('-').starts_with(['0', '+']);
                (canonical && !text.starts_with('+')).then_some(key)
            }
        }
    )*};
}

integer_keys! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }

/// Implements `EntryKey` for types of other crates that serde writes as a text or a number, since an application
/// cannot.
macro_rules! foreign_keys {
    ($($key:ty)*) => { $(impl EntryKey for $key {})* };
}

foreign_keys! {
    std::net::IpAddr std::net::Ipv4Addr std::net::Ipv6Addr
    std::net::SocketAddr std::net::SocketAddrV4 std::net::SocketAddrV6
    std::num::NonZeroU8 std::num::NonZeroU16 std::num::NonZeroU32 std::num::NonZeroU64 std::num::NonZeroU128
    std::num::NonZeroI8 std::num::NonZeroI16 std::num::NonZeroI32 std::num::NonZeroI64 std::num::NonZeroI128
    std::num::NonZeroUsize std::num::NonZeroIsize
}

#[cfg(feature = "uuid")]
foreign_keys! { uuid::Uuid uuid::NonNilUuid }

#[cfg(feature = "chrono")]
foreign_keys! { chrono::NaiveDate chrono::NaiveDateTime chrono::NaiveTime chrono::Weekday chrono::Month }

#[cfg(feature = "time")]
foreign_keys! { time::Date time::Time time::Weekday time::Month }

#[cfg(feature = "url")]
foreign_keys! { url::Url }

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the key is read back from its stored text.
    fn returns<K: EntryKey + PartialEq + std::fmt::Debug>(key: &K) {
        let mut stored = String::new();
        key.write(&mut stored).unwrap();
        assert_eq!(K::read(&stored).as_ref(), Some(key), "{stored}");
    }

    #[test]
    fn keys_of_other_crates_need_no_newtype() {
        returns(&std::net::IpAddr::from([10, 0, 0, 1]));
        returns(&std::net::SocketAddr::from(([1; 8], 80)));
        returns(&std::num::NonZeroU32::MIN);
        returns(&std::num::NonZeroI128::MIN);
        assert_eq!(std::num::NonZeroU32::read("0"), None);
        assert_eq!(std::num::NonZeroU32::read("07"), None);
    }

    /// Checks that entries put together are those put one by one, into an empty collection and a filled one.
    fn takes_all<T: Entries<Key = u32> + PartialEq + std::fmt::Debug>(value: impl Fn(u32) -> T::Value) {
        let entries =
            || [9, 10, 7, 9, 100].into_iter().enumerate().map(|(at, key)| (key, value(u32::try_from(at).unwrap())));
        let (mut at_once, mut one_by_one) = (T::default(), T::default());
        for _ in 0..2 {
            at_once.put_all(entries().collect());
            entries().for_each(|(key, value)| one_by_one.put(key, value));
            assert_eq!(at_once, one_by_one);
            at_once.put(8, value(8));
            one_by_one.put(8, value(8));
        }
    }

    #[test]
    fn of_entries_put_at_once_the_last_of_a_key_stays() {
        takes_all::<BTreeMap<u32, u32>>(|value| value);
        takes_all::<HashMap<u32, u32>>(|value| value);
        takes_all::<BTreeSet<u32>>(|_| Present);
        takes_all::<HashSet<u32>>(|_| Present);
    }

    /// A tuple would be written as a list, and no key of that form is read.
    #[test]
    fn a_key_that_is_no_text_number_or_truth_is_refused() {
        #[derive(Serialize, Deserialize)]
        struct Pair(u8, u8);
        impl EntryKey for Pair {}
        let mut stored = String::new();
        assert_eq!((Pair(1, 2).write(&mut stored), stored.as_str()), (Err(()), ""));
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_a_key_with_the_feature() {
        returns(&uuid::Uuid::from_u128(7));
        returns(&uuid::NonNilUuid::new(uuid::Uuid::from_u128(7)).unwrap());
        assert_eq!(uuid::Uuid::read("00000000000000000000000000000007"), None, "another spelling");
        assert!(!Entries::holds(&HashMap::<uuid::Uuid, u32>::new(), &uuid::Uuid::nil()));
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn a_date_of_chrono_is_a_key_with_the_feature() {
        returns(&chrono::NaiveDate::default());
        returns(&chrono::NaiveDateTime::default());
        returns(&chrono::NaiveTime::default());
        returns(&chrono::Weekday::Mon);
        returns(&chrono::Month::January);
    }

    #[cfg(feature = "time")]
    #[test]
    fn a_date_of_time_is_a_key_with_the_feature() {
        returns(&time::Date::MIN);
        returns(&time::Time::MIDNIGHT);
        returns(&time::Weekday::Monday);
        returns(&time::Month::January);
    }

    #[cfg(feature = "url")]
    #[test]
    fn a_url_is_a_key_with_the_feature() {
        returns(&url::Url::parse("https://example.org/a?b=c").unwrap());
    }
}
