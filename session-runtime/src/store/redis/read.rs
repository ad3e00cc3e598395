//! Conversion of responses into records. Only wanted values are copied.

use ::redis::Value;

use super::fault::Fault;
use super::head::{HEAD, StoredHead};
use super::reply::{self, Pairs};
use crate::clock::Timestamp;
use crate::record::patch::{Patch, Patched};
use crate::record::{Head, Record, Text, Values};
use crate::store::{Created, Loaded, Wanted};

/// Contents of a main hash: its head, and the wanted values.
pub(super) struct Main<'r> {
    stored: StoredHead<'r>,
    values: Vec<(Text, Text)>,
    /// Names of values that are not UTF-8, and the bare name of a schema whose hash is gone.
    unreadable: Vec<Text>,
}

impl<'r> Main<'r> {
    /// Reads the response. `None` if there is no session, or if it has expired.
    pub(super) fn read(answer: &'r Value, wanted: &Wanted, now: Timestamp) -> Result<Option<Self>, Fault> {
        let (hash, mut values, mut unreadable) = (reply::pairs(answer)?, Vec::new(), Vec::new());
        if hash.len() == 0 {
            return Ok(None);
        }
        let mut head = None;
        let collected = collect(hash, wanted, &mut values, &mut unreadable, &mut head);
        let stored = StoredHead::decode(head.ok_or_else(|| Fault::unreadable("head"))?)?;
        // Damage of an expired session does not matter.
        if now >= stored.head.idle_deadline {
            return Ok(None);
        }
        collected.map(|()| Some(Self { stored, values, unreadable }))
    }

    /// True if a wanted schema is in a hash of its own, which has to be loaded as well.
    pub(super) fn needs_other_hashes(&self, wanted: &Wanted) -> bool {
        self.stored.own_hashes().any(|schema| wanted.wants(schema))
    }

    /// Returns the wanted schemas that are in hashes of their own.
    pub(super) fn other_hashes(&self, wanted: &Wanted) -> Vec<&'r str> {
        self.stored.own_hashes().filter(|schema| wanted.wants(schema)).collect()
    }

    /// Adds the response with the hash of a schema. Returns false if the hash is empty.
    pub(super) fn add(&mut self, hash: &Value, wanted: &Wanted) -> Result<bool, Fault> {
        let hash = reply::pairs(hash)?;
        let is_there = hash.len() > 0;
        collect(hash, wanted, &mut self.values, &mut self.unreadable, &mut None)?;
        Ok(is_there)
    }

    /// True if this head, read later, has the same values.
    pub(super) fn is_unchanged(&self, head: &Value) -> bool {
        let stored = reply::text(head).and_then(StoredHead::decode);
        stored.is_ok_and(|stored| {
            stored.head.revision == self.stored.head.revision && stored.head.created == self.stored.head.created
        })
    }

    pub(super) fn loaded(self) -> Loaded {
        let StoredHead { head, bytes, keys, .. } = self.stored;
        let record = Record { head, values: self.values.into_iter().collect() };
        Loaded { record, bytes, keys, unreadable: self.unreadable }
    }
}

/// Reads the response of the script that loads the main hash and others.
pub(super) fn all_hashes(answer: &Value, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
    let (main, hashes) = reply::list(answer)?.split_first().ok_or_else(Fault::unexpected)?;
    let Some(mut main) = Main::read(main, wanted, now)? else { return Ok(None) };
    let mut schemas = main.stored.own_hashes().filter(|schema| wanted.wants(schema));
    for hash in hashes {
        let (hash, schema) = (reply::pairs(hash)?, schemas.next().ok_or_else(Fault::unexpected)?);
        // Each hash beside the main one holds a marker, so an empty hash has been evicted.
        if hash.len() == 0 {
            main.unreadable.push(schema.into());
        }
        collect(hash, wanted, &mut main.values, &mut main.unreadable, &mut None)?;
    }
    Ok(Some(main.loaded()))
}

/// Reads the response with the head alone; `None` if there is none, or if the short script has set nothing.
pub(super) fn head(answer: &Value) -> Result<Option<Head>, Fault> {
    match answer {
        Value::Nil => Ok(None),
        answer => Ok(Some(StoredHead::decode(reply::text(answer)?)?.head)),
    }
}

pub(super) fn created(answer: &Value) -> Result<Created, Fault> {
    match answer {
        Value::Int(1) => Ok(Created::Done),
        Value::Int(0) => Ok(Created::Taken),
        Value::Int(2) => Err(Fault::unavailable("the new session reached the server too late")),
        _ => Err(Fault::unexpected()),
    }
}

pub(super) fn patched(answer: &Value, patch: &Patch) -> Result<Patched, Fault> {
    match answer {
        Value::BulkString(head) => Ok(Patched::Done(StoredHead::decode(head)?.head)),
        Value::Int(0) => Ok(Patched::Gone),
        Value::Int(1) => Ok(Patched::Renewed),
        Value::Int(2) => Err(Fault::unreadable("session")),
        Value::Int(3) => Err(Fault::missing()),
        Value::Array(parts) => conflict(parts, patch).map(Patched::Conflict),
        _ => Err(Fault::unexpected()),
    }
}

/// Reads the head, and the stored texts of the keys that the patch expected.
fn conflict(parts: &[Value], patch: &Patch) -> Result<Record, Fault> {
    let (head, texts) = parts.split_first().ok_or_else(Fault::unexpected)?;
    let head = StoredHead::decode(reply::text(head)?)?.head;
    let mut values = Values::new();
    for (expected, value) in patch.expected().iter().zip(texts) {
        match value {
            Value::Nil => {}
            value => drop(values.set(expected.name.clone(), text(reply::text(value)?)?.into())),
        }
    }
    Ok(Record { head, values })
}

/// Collects the wanted values of a hash, and its head if it has one. Reads the whole hash, and then returns the fault
/// of the first unreadable name.
fn collect<'r>(
    hash: Pairs<'r>,
    wanted: &Wanted,
    values: &mut Vec<(Text, Text)>,
    unreadable: &mut Vec<Text>,
    head: &mut Option<&'r [u8]>,
) -> Result<(), Fault> {
    let mut outcome = Ok(());
    values.reserve(hash.len());
    for (name, value) in hash {
        let (name, value) = (reply::text(name)?, reply::text(value)?);
        if name == HEAD.as_bytes() {
            *head = Some(value);
        } else if let Err(fault) = put(name, value, wanted, values, unreadable) {
            outcome = outcome.and(Err(fault));
        }
    }
    outcome
}

fn put(
    name: &[u8],
    value: &[u8],
    wanted: &Wanted,
    values: &mut Vec<(Text, Text)>,
    unreadable: &mut Vec<Text>,
) -> Result<(), Fault> {
    let name = std::str::from_utf8(name).map_err(|_| Fault::unreadable("name of a value"))?;
    if wanted.wants(name) {
        match std::str::from_utf8(value) {
            Ok(text) => values.push((wanted.text(name), wanted.text(text))),
            Err(_) => unreadable.push(name.into()),
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::unreadable("text of a value"))
}

#[cfg(test)]
mod tests {
    use super::super::head;
    use super::*;
    use crate::id::SecretHash;
    use crate::record::expiry::StoredExpiry;

    const EXPIRES: Timestamp = Timestamp::from_millis(1_000);

    /// A hash with a value and, after it, the head.
    fn hash(value: &[u8]) -> Value {
        let head = Head {
            created: EXPIRES,
            touched: EXPIRES,
            idle_deadline: EXPIRES,
            absolute_deadline: EXPIRES,
            expiry: StoredExpiry::Default,
            secret: SecretHash::from_bytes([1; 32]),
            secret_since: EXPIRES,
            previous: None,
            generation: 0,
            generation_since: None,
            revision: 0,
        };
        let words = [b"cart", value, HEAD.as_bytes(), &head::encode(&head, 9, 1, &[])];
        Value::Array(words.map(|word| Value::BulkString(word.to_vec())).to_vec())
    }

    fn read(answer: &Value, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        Ok(Main::read(answer, &Wanted::all(), now)?.map(Main::loaded))
    }

    #[test]
    fn an_expired_session_is_none_whatever_else_it_holds() {
        let (sound, damaged) = (hash(b"1"), hash(&[0xff]));
        let loaded = read(&sound, EXPIRES.before(std::time::Duration::from_millis(1))).unwrap().unwrap();
        assert_eq!((loaded.record.values.get("cart"), loaded.bytes, loaded.keys), (Some("1"), 9, 1));
        let damaged_value = read(&damaged, EXPIRES.before(std::time::Duration::from_millis(1))).unwrap().unwrap();
        assert_eq!((damaged_value.record.values.len(), damaged_value.unreadable), (0, vec![Text::from("cart")]));
        assert!(read(&sound, EXPIRES).unwrap().is_none() && read(&damaged, EXPIRES).unwrap().is_none());
    }
}
