//! Three-way merges: the changes of two requests to one value become one value, computed from base, theirs and ours.
//!
//! A merge works on stored texts, where absence is a value too, so that the rest of the library needs no types.
//! Merging happens here and never in a store, since numbers in a store's script may be floats.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, SessionError};
use crate::record::Text;
use crate::schema::change::{Base, Change};
use crate::schema::codec::{Entries, KnownText, decode, encode_to_store, same_text};
use crate::schema::{Kind, OnInvalid};

pub(crate) use crate::schema::spec::Merge;
#[doc(hidden)]
pub use crate::schema::spec::{MergeFn, Merged, Merging};

/// Integer that `merge = sum` can add.
///
/// Implemented for all integers of the standard library. Implement it for a newtype of one by delegating.
///
/// # Examples
///
/// ```
/// use session_runtime::merge::Summable;
///
/// assert_eq!(u8::sum(250, 10, 3), 255); // 250 + 10 - 3, saturating
/// assert_eq!(u8::sum(2, 0, 5), 0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`merge = sum` adds integers, and `{Self}` is not one",
    label = "not an integer",
    note = "use an integer type, or `merge = with = path` for a merge of your own"
)]
pub trait Summable: Sized {
    /// Returns `theirs + ours - base`, saturating at the bounds of the type.
    #[must_use]
    fn sum(theirs: Self, ours: Self, base: Self) -> Self;
}

macro_rules! summable {
    ($($int:ty, $add:ident, $sub:ident, $diff:ident;)*) => {$(
        impl Summable for $int {
            fn sum(theirs: Self, ours: Self, base: Self) -> Self {
                if ours >= base { theirs.$add(ours.$diff(base)) } else { theirs.$sub(base.$diff(ours)) }
            }
        }
    )*};
}

summable! {
    u8, saturating_add, saturating_sub, abs_diff;
    u16, saturating_add, saturating_sub, abs_diff;
    u32, saturating_add, saturating_sub, abs_diff;
    u64, saturating_add, saturating_sub, abs_diff;
    u128, saturating_add, saturating_sub, abs_diff;
    usize, saturating_add, saturating_sub, abs_diff;
    i8, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
    i16, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
    i32, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
    i64, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
    i128, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
    isize, saturating_add_unsigned, saturating_sub_unsigned, abs_diff;
}

/// Merges a whole field with `merge = sum`. An absent key counts as the field's default.
#[doc(hidden)]
pub fn sum<T>(field: Merging, base: Option<&str>, theirs: Option<&str>, ours: Option<&str>) -> Merged
where
    T: Summable + Serialize + DeserializeOwned + 'static,
{
    let read = |text| read::<T>(field, text);
    let value = T::sum(read(theirs)?, read(ours)?, read(base)?);
    let text = encode_to_store(field.0, field.1, &value)?;
    // A value that ours cleared and theirs did not change stays cleared.
    let back = ours.is_none() && field.0.is_initial(field.1, &text);
    Ok((!back).then_some(text))
}

/// Merges one entry of a map with `merge = keys(sum)`. An absent entry counts as zero.
#[doc(hidden)]
pub fn entry_sum<T>(field: Merging, base: Option<&str>, theirs: Option<&str>, ours: Option<&str>) -> Merged
where
    T: Entries,
    T::Value: Summable + Default + PartialEq,
{
    let read = |text| stored_or(field, text, || Ok(T::Value::default()));
    let value = T::Value::sum(read(theirs)?, read(ours)?, read(base)?);
    if ours.is_none() && value == T::Value::default() {
        return Ok(None);
    }
    encode_to_store(field.0, field.1, &value).map(Some)
}

/// Merges a whole field with the application's own function, given as `merge = with = path`.
#[doc(hidden)]
pub fn with<T>(
    merge: fn(&T, &T, T) -> T,
    field: Merging,
    base: Option<&str>,
    theirs: Option<&str>,
    ours: Option<&str>,
) -> Merged
where
    T: Serialize + DeserializeOwned + 'static,
{
    let read = |text| read::<T>(field, text);
    let text = encode_to_store(field.0, field.1, &merge(&read(base)?, &read(theirs)?, read(ours)?))?;
    // An absent key is read as the default.
    let absent = text == "null" && field.0.is_initial(field.1, &text);
    Ok((!absent).then_some(text))
}

fn read<T: Serialize + DeserializeOwned + 'static>(field: Merging, text: Option<&str>) -> Result<T, SessionError> {
    let (schema, spec) = field;
    stored_or(field, text, || match schema.initial(spec).downcast() {
        Ok(initial) => Ok(*initial),
        // The derive writes the field's own type in both places.
        Err(_) => Err(SessionError::at_field(ErrorKind::Unencodable, schema, spec)),
    })
}

/// Decodes a text. An absent text, or one that `on_invalid = reset` skips, gives the default.
fn stored_or<T: Serialize + DeserializeOwned>(
    (schema, field): Merging,
    text: Option<&str>,
    initial: impl Fn() -> Result<T, SessionError>,
) -> Result<T, SessionError> {
    match text.map(|text| decode(schema, field, text)) {
        None => initial(),
        Some(Err(_)) if schema.on_invalid == OnInvalid::Reset => initial(),
        Some(decoded) => decoded,
    }
}

/// Merges one change with the text that another request stored meanwhile.
pub(crate) fn three_way(change: &Change, theirs: Option<&str>) -> Result<Option<Text>, SessionError> {
    let base = change.base.as_deref();
    if base == theirs {
        return Ok(change.ours.clone());
    }
    // The removal of a value that had expired: another request has set a new one.
    if base.is_none() && change.ours.is_none() && change.field.has_deadline() {
        return Ok(theirs.map(Into::into));
    }
    match change.field.merge {
        Merge::LastWrite => Ok(change.ours.clone()),
        // An edit of an element that another request removed is dropped.
        Merge::Append { .. } => Ok(change.ours.clone().filter(|_| base.is_none() || theirs.is_some())),
        Merge::With(_) | Merge::Sum(_) if theirs.is_none() && change.ours.is_none() => Ok(None),
        Merge::With(merge) | Merge::Sum(merge) => {
            let merging = (change.schema, change.field);
            Ok(merge(merging, base, theirs, change.ours.as_deref())?.map(Into::into))
        }
        Merge::Reject if same_text(base, theirs, KnownText::of(change.field)) => Ok(change.ours.clone()),
        Merge::Reject => Err(SessionError::at_field(ErrorKind::Rejected, change.schema, change.field)),
    }
}

impl Change {
    /// Merges the change with the text that another request stored. A text that the merge alters no longer counts as
    /// set.
    pub(crate) fn merge(&mut self, theirs: Base) -> Result<(), SessionError> {
        let merged = three_way(self, theirs.text.as_deref())?;
        self.mixed |= !self.is_own();
        self.set &= merged == self.ours;
        (self.base, self.expired, self.ours) = (theirs.text, theirs.expired, merged);
        Ok(())
    }

    /// Rebases the change on an empty session. A value that was set, or that was made without a stored value, stays;
    /// of a sum, the difference stays. An edit of any other value is kept as stale, since it contains part of that
    /// value. Returns `None` if nothing is left of the change.
    pub(crate) fn rebased_on_empty(mut self) -> Result<Option<Self>, SessionError> {
        if self.schema.lasting || self.stale {
            return Ok(Some(self));
        }
        let is_own = self.is_own();
        if !is_own && matches!(self.field.merge, Merge::Sum(_)) {
            self.ours = three_way(&self, None)?.filter(|text| self.field.kind != Kind::Entries || &**text != "0");
        }
        if !is_own && self.is_initial(self.ours.as_deref()) {
            return Ok(None);
        }
        self.stale = !is_own && !matches!(self.field.merge, Merge::Sum(_));
        (self.base, self.expired) = (None, false);
        Ok(self.ours.is_some().then_some(self))
    }
}

#[cfg(test)]
mod tests;
