//! From what the server answers to records. Nothing is copied that is not wanted.

use ::redis::Value;

use super::fault::Fault;
use super::head::{HEAD, StoredHead};
use crate::clock::Timestamp;
use crate::patch::{Patch, Patched};
use crate::record::{Record, Text, Values};
use crate::store::{Created, Loaded, Wanted};

/// What a load found.
pub(super) enum Found {
    Nothing,
    Record(Box<Loaded>),
    /// A wanted schema is in a hash of its own, which has to be asked for.
    Apart,
}

/// The answer of `HGETALL` on the main hash.
pub(super) fn main_hash(answer: Value, wanted: &Wanted, now: Timestamp) -> Result<Found, Fault> {
    let hash = Hash::new(answer)?;
    let Some(stored) = hash.head()? else { return Ok(Found::Nothing) };
    if now >= stored.head.expires {
        return Ok(Found::Nothing);
    }
    if stored.apart().any(|schema| wanted.wants(schema)) {
        return Ok(Found::Apart);
    }
    let mut entries = Vec::with_capacity(hash.0.len());
    hash.collect(wanted, &mut entries)?;
    Ok(Found::Record(Box::new(loaded(stored, entries))))
}

/// The answer of the script that loads the main hash and others.
pub(super) fn all_hashes(answer: Value, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
    let Value::Array(hashes) = answer else { return Err(Fault::unexpected()) };
    let mut hashes = hashes.into_iter().map(Hash::new);
    let main = hashes.next().ok_or_else(Fault::unexpected)??;
    let Some(stored) = main.head()? else { return Ok(None) };
    if now >= stored.head.expires {
        return Ok(None);
    }
    let mut entries = Vec::new();
    main.collect(wanted, &mut entries)?;
    for hash in hashes {
        let hash = hash?;
        if hash.0.is_empty() {
            // Each holds a mark of its own, so that one which is empty is one which was evicted.
            return Err(Fault::missing());
        }
        hash.collect(wanted, &mut entries)?;
    }
    Ok(Some(loaded(stored, entries)))
}

pub(super) fn created(answer: &Value) -> Result<Created, Fault> {
    match answer {
        Value::Int(1) => Ok(Created::Done),
        Value::Int(0) => Ok(Created::Taken),
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

/// The head, and the texts of what the patch expected.
fn conflict(parts: &[Value], patch: &Patch) -> Result<Record, Fault> {
    let Some((Value::BulkString(head), texts)) = parts.split_first() else { return Err(Fault::unexpected()) };
    let mut values = Values::new();
    for (expected, value) in patch.expected().iter().zip(texts) {
        match value {
            Value::BulkString(bytes) => drop(values.set(expected.name.clone(), text(bytes)?)),
            Value::Nil => {}
            _ => return Err(Fault::unexpected()),
        }
    }
    Ok(Record { head: StoredHead::decode(head)?.head, values })
}

/// The pairs of a hash, as both versions of the protocol tell them.
struct Hash(Vec<(Value, Value)>);

impl Hash {
    fn new(answer: Value) -> Result<Self, Fault> {
        match answer {
            Value::Map(pairs) => Ok(Self(pairs)),
            Value::Array(flat) => {
                let mut flat = flat.into_iter();
                let mut pairs = Vec::with_capacity(flat.len() / 2);
                while let (Some(name), Some(text)) = (flat.next(), flat.next()) {
                    pairs.push((name, text));
                }
                Ok(Self(pairs))
            }
            _ => Err(Fault::unexpected()),
        }
    }

    /// `None`: there is no hash.
    fn head(&self) -> Result<Option<StoredHead<'_>>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let head = self.0.iter().find_map(|(name, value)| match (name, value) {
            (Value::BulkString(name), Value::BulkString(head)) if name == HEAD.as_bytes() => Some(head),
            _ => None,
        });
        StoredHead::decode(head.ok_or_else(|| Fault::unreadable("head"))?).map(Some)
    }

    fn collect(&self, wanted: &Wanted, entries: &mut Vec<(Text, Text)>) -> Result<(), Fault> {
        for pair in &self.0 {
            let (Value::BulkString(name), Value::BulkString(value)) = pair else { return Err(Fault::unexpected()) };
            let name = std::str::from_utf8(name).map_err(|_| Fault::unreadable("name of a value"))?;
            if name != HEAD && wanted.wants(name) {
                entries.push((name.into(), text(value)?));
            }
        }
        Ok(())
    }
}

fn loaded(stored: StoredHead<'_>, mut entries: Vec<(Text, Text)>) -> Loaded {
    entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let record = Record { head: stored.head, values: entries.into_iter().collect() };
    Loaded { record, bytes: stored.bytes, keys: stored.keys }
}

fn text(bytes: &[u8]) -> Result<Text, Fault> {
    std::str::from_utf8(bytes).map(Text::from).map_err(|_| Fault::unreadable("text of a value"))
}
