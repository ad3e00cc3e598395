//! One entry of a field that is stored entry by entry: its stored key, its value and its text.

use super::text::{check, decode, decode_entry, encode, is_same, unencodable};
use super::{ByEntry, EntryKey, SingleEntries};
use crate::error::SessionError;
use crate::record::Text;
use crate::schema::Schema;

impl<S: Schema, T: SingleEntries + 'static> ByEntry<S, T> {
    /// Returns the stored key of an entry; `None` if no text can be its key.
    pub(super) fn name_of(self, key: &T::Key) -> Option<String> {
        let prefix = self.spec().prefix;
        // Capacity for any integer as a key.
        let mut name = String::with_capacity(prefix.len() + 40);
        name.push_str(prefix);
        key.write(&mut name).ok()?;
        Some(name)
    }

    /// Decodes the entry under this stored key. `None` if the entry has another key that is written alike.
    pub(super) fn decode_single(self, key: &T::Key, name: &str, text: &str) -> Result<Option<T::Value>, SessionError> {
        let spec = self.spec();
        if T::Key::IS_CANONICAL {
            return decode(S::SPEC, spec, text).map(Some);
        }
        let (stored, value) = decode_entry::<T>(S::SPEC, spec, &name[spec.prefix.len()..], text)?;
        Ok(with_entry::<T>(stored, value).remove(key))
    }

    /// Returns whether the text under this stored key is an entry that can be read.
    pub(super) fn is_readable(self, name: &str, text: &str) -> bool {
        let spec = self.spec();
        decode_entry::<T>(S::SPEC, spec, &name[spec.prefix.len()..], text).is_ok()
    }

    /// Returns the text to store for a value: `stored` itself, if that is the same value.
    pub(super) fn text_of(
        self,
        key: &T::Key,
        name: &str,
        value: T::Value,
        stored: Option<&Text>,
    ) -> Result<Text, SessionError> {
        let spec = self.spec();
        let text = encode(S::SPEC, spec, &value)?;
        if let Some(stored) = stored.filter(|stored| is_same::<T::Value>(stored, &text, spec)) {
            return Ok(stored.clone());
        }
        check(S::SPEC, spec, &value, &text)?;
        let is_read_back = |read| with_entry::<T>(read, value).holds(key);
        if T::Key::IS_CANONICAL || T::Key::read(&name[spec.prefix.len()..]).is_some_and(is_read_back) {
            Ok(text.into())
        } else {
            Err(unencodable(S::SPEC, spec))
        }
    }
}

fn with_entry<T: SingleEntries>(key: T::Key, value: T::Value) -> T {
    let mut entries = T::default();
    entries.put(key, value);
    entries
}
