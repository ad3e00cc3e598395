//! [`EntryMut`], one entry of a map that is open for editing.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::schema::Schema;
use crate::schema::codec::{ByEntry, SingleEntries};
use crate::schema::tracked::Tracked;

/// Entry of a map or a set, open for editing: what the accessor `items_entry(key)` returns.
///
/// Dereferences to an `Option` of the value, so all methods of [`Option`] work. `None` is no entry. The edit takes effect
/// when this is dropped. Of a set, the value is [`Present`](crate::codec::Present).
///
/// # Examples
///
/// ```
/// use session_runtime::{MemoryStore, Session, Sessions};
/// use std::collections::BTreeMap;
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     #[session(merge = keys(sum), entries)]
///     items: BTreeMap<u32, u32>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
/// # let visit = sessions.open([]);
/// let mut cart = visit.write::<Cart>().await?;
/// *cart.items_entry(7) = Some(2);
/// *cart.items_entry(8).get_or_insert_default() += 1;
/// assert_eq!(cart.items_entry(7).take(), Some(2));
/// assert_eq!((cart.items_get(&7), cart.items_get(&8)), (None, Some(1)));
/// # Ok(()) }
/// ```
#[must_use = "an entry that is opened and not edited has no effect"]
pub struct EntryMut<'g, S: Schema, T: SingleEntries + 'static> {
    tracked: &'g mut Tracked<S>,
    field: ByEntry<S, T>,
    /// Key of the entry; taken by the drop.
    key: Option<T::Key>,
    value: Option<T::Value>,
    is_edited: bool,
}

impl<S: Schema> Tracked<S> {
    /// Opens one entry of the field for editing.
    pub fn entry_mut<T: SingleEntries + 'static>(&mut self, field: ByEntry<S, T>, key: T::Key) -> EntryMut<'_, S, T> {
        self.look();
        let value = self.entry(field, &key);
        EntryMut { tracked: self, field, key: Some(key), value, is_edited: false }
    }
}

impl<S: Schema, T: SingleEntries + 'static> Deref for EntryMut<'_, S, T> {
    type Target = Option<T::Value>;

    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<S: Schema, T: SingleEntries + 'static> DerefMut for EntryMut<'_, S, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.is_edited = true;
        &mut self.value
    }
}

/// Records the edit, except during a panic, which discards all changes of the request.
impl<S: Schema, T: SingleEntries + 'static> Drop for EntryMut<'_, S, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take().filter(|_| self.is_edited && !std::thread::panicking()) {
            self.tracked.put_entry(self.field, key, self.value.take());
        }
    }
}

/// Shows no key and no value: they are the visitor's data.
impl<S: Schema, T: SingleEntries + 'static> fmt::Debug for EntryMut<'_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryMut").field("is_some", &self.value.is_some()).finish_non_exhaustive()
    }
}
