//! From what the server answers to records. Nothing is copied that is not wanted.

use super::fault::Fault;
use super::head::{HEAD, StoredHead};
use super::reply::{Node, Nodes};
use crate::clock::Timestamp;
use crate::patch::{Patch, Patched};
use crate::record::{Head, Record, Text, Values};
use crate::store::{Created, Loaded, Wanted};

/// What stands in a main hash: its head, and what is wanted of the rest.
pub(super) struct Main<'r> {
    stored: StoredHead<'r>,
    values: Vec<(Text, Text)>,
}

impl<'r> Main<'r> {
    /// `None`: there is no session, or it has expired.
    pub(super) fn read(answer: Node<'r>, wanted: &Wanted, now: Timestamp) -> Result<Option<Self>, Fault> {
        let (hash, mut values) = (answer.list()?, Vec::new());
        if hash.len() == 0 {
            return Ok(None);
        }
        let head = collect(hash, wanted, &mut values)?.ok_or_else(|| Fault::unreadable("head"))?;
        let stored = StoredHead::decode(head)?;
        Ok((now < stored.head.expires).then_some(Self { stored, values }))
    }

    /// Whether a wanted schema is in a hash of its own, which has to be asked for.
    pub(super) fn lacks(&self, wanted: &Wanted) -> bool {
        self.stored.apart().any(|schema| wanted.wants(schema))
    }

    pub(super) fn loaded(self) -> Loaded {
        let StoredHead { head, bytes, keys, .. } = self.stored;
        Loaded { record: Record { head, values: self.values.into_iter().collect() }, bytes, keys }
    }
}

/// The answer of the script that loads the main hash and others.
pub(super) fn all_hashes(answer: Node<'_>, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
    let mut hashes = answer.list()?;
    let Some(mut main) = Main::read(hashes.need()?, wanted, now)? else { return Ok(None) };
    for hash in hashes {
        let hash = hash?.list()?;
        // Each beside the main hash holds a mark of its own, so that one which is empty is one which was evicted.
        if hash.len() == 0 {
            return Err(Fault::missing());
        }
        collect(hash, wanted, &mut main.values)?;
    }
    Ok(Some(main.loaded()))
}

pub(super) fn created(answer: &Node<'_>) -> Result<Created, Fault> {
    match answer {
        Node::Number(1) => Ok(Created::Done),
        Node::Number(0) => Ok(Created::Taken),
        _ => Err(Fault::unexpected()),
    }
}

pub(super) fn patched(answer: Node<'_>, patch: &Patch) -> Result<Patched, Fault> {
    match answer {
        Node::Text(head) => Ok(Patched::Done(StoredHead::decode(head)?.head)),
        Node::Number(0) => Ok(Patched::Gone),
        Node::Number(1) => Ok(Patched::Renewed),
        Node::Number(2) => Err(Fault::unreadable("session")),
        Node::Number(3) => Err(Fault::missing()),
        Node::List(parts) => conflict(parts, patch).map(Patched::Conflict),
        _ => Err(Fault::unexpected()),
    }
}

/// `None`: nothing was set.
pub(super) fn set(answer: &Node<'_>) -> Result<Option<Head>, Fault> {
    match answer {
        Node::Nothing => Ok(None),
        answer => Ok(Some(StoredHead::decode(answer.text()?)?.head)),
    }
}

/// The head, and the texts of what the patch expected.
fn conflict(mut parts: Nodes<'_>, patch: &Patch) -> Result<Record, Fault> {
    let head = StoredHead::decode(parts.need()?.text()?)?.head;
    let mut values = Values::new();
    for (expected, value) in patch.expected().iter().zip(parts) {
        match value? {
            Node::Nothing => {}
            value => drop(values.set(expected.name.clone(), text(value.text()?)?.into())),
        }
    }
    Ok(Record { head, values })
}

/// Takes what is wanted of a hash, whose names and texts stand in turn, and gives its head if it has one.
fn collect<'r>(
    mut hash: Nodes<'r>,
    wanted: &Wanted,
    values: &mut Vec<(Text, Text)>,
) -> Result<Option<&'r [u8]>, Fault> {
    let mut head = None;
    values.reserve(hash.len() / 2);
    while let Some(name) = hash.next() {
        let (name, value) = (name?.text()?, hash.need()?.text()?);
        if name == HEAD.as_bytes() {
            head = Some(value);
            continue;
        }
        let name = std::str::from_utf8(name).map_err(|_| Fault::unreadable("name of a value"))?;
        if wanted.wants(name) {
            values.push((wanted.text(name), wanted.text(text(value)?)));
        }
    }
    Ok(head)
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::unreadable("text of a value"))
}
