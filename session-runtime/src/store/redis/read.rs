//! From what the server answers to records. Nothing is copied that is not wanted.

use super::fault::Fault;
use super::head::{HEAD, StoredHead};
use super::reply::Node;
use crate::clock::Timestamp;
use crate::patch::{Patch, Patched};
use crate::record::{Head, Record, Text, Values};
use crate::store::{Created, Loaded, Wanted};

/// What stands in a main hash.
pub(super) struct Main<'r> {
    hash: Hash<'r>,
    stored: StoredHead<'r>,
}

impl<'r> Main<'r> {
    /// `None`: there is no session, or it has expired.
    pub(super) fn read(answer: Node<'r>, now: Timestamp) -> Result<Option<Self>, Fault> {
        let hash = Hash::read(answer)?;
        let stored = hash.head()?.filter(|stored| now < stored.head.expires);
        Ok(stored.map(|stored| Self { hash, stored }))
    }

    /// Whether a wanted schema is in a hash of its own, which has to be asked for.
    pub(super) fn lacks(&self, wanted: &Wanted) -> bool {
        self.stored.apart().any(|schema| wanted.wants(schema))
    }

    /// What is wanted of it and of other hashes of the session.
    pub(super) fn loaded(
        self,
        others: impl Iterator<Item = Result<Hash<'r>, Fault>>,
        wanted: &Wanted,
    ) -> Result<Loaded, Fault> {
        let mut entries = Vec::with_capacity(self.hash.0.len() / 2);
        self.hash.collect(wanted, &mut entries)?;
        for hash in others {
            hash?.collect(wanted, &mut entries)?;
        }
        let StoredHead { head, bytes, keys, .. } = self.stored;
        Ok(Loaded { record: Record { head, values: entries.into_iter().collect() }, bytes, keys })
    }
}

/// The answer of the script that loads the main hash and others.
pub(super) fn all_hashes(answer: Node<'_>, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
    let mut hashes = answer.list()?.into_iter();
    let main = Main::read(hashes.next().ok_or_else(Fault::unexpected)?, now)?;
    main.map(|main| main.loaded(hashes.map(Hash::read_other), wanted)).transpose()
}

pub(super) fn created(answer: &Node<'_>) -> Result<Created, Fault> {
    match answer {
        Node::Number(1) => Ok(Created::Done),
        Node::Number(0) => Ok(Created::Taken),
        _ => Err(Fault::unexpected()),
    }
}

pub(super) fn patched(answer: &Node<'_>, patch: &Patch) -> Result<Patched, Fault> {
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
fn conflict(parts: &[Node<'_>], patch: &Patch) -> Result<Record, Fault> {
    let (head, texts) = parts.split_first().ok_or_else(Fault::unexpected)?;
    let mut values = Values::new();
    for (expected, value) in patch.expected().iter().zip(texts) {
        match value {
            Node::Nothing => {}
            value => drop(values.set(expected.name.clone(), text(value.text()?)?)),
        }
    }
    Ok(Record { head: StoredHead::decode(head.text()?)?.head, values })
}

/// Names and texts of a hash in turn.
pub(super) struct Hash<'r>(Vec<Node<'r>>);

impl<'r> Hash<'r> {
    fn read(answer: Node<'r>) -> Result<Self, Fault> {
        answer.list().map(Self)
    }

    /// Each beside the main hash holds a mark of its own, so that one which is empty is one which was evicted.
    fn read_other(answer: Node<'r>) -> Result<Self, Fault> {
        Self::read(answer).and_then(|hash| if hash.0.is_empty() { Err(Fault::missing()) } else { Ok(hash) })
    }

    /// `None`: there is no hash.
    fn head(&self) -> Result<Option<StoredHead<'r>>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let head = self.pairs().find(|(name, _)| **name == Node::Text(HEAD.as_bytes()));
        let (_, head) = head.ok_or_else(|| Fault::unreadable("head"))?;
        StoredHead::decode(head.text()?).map(Some)
    }

    fn collect(&self, wanted: &Wanted, entries: &mut Vec<(Text, Text)>) -> Result<(), Fault> {
        for (name, value) in self.pairs() {
            let name = std::str::from_utf8(name.text()?).map_err(|_| Fault::unreadable("name of a value"))?;
            if name != HEAD && wanted.wants(name) {
                entries.push((name.into(), text(value.text()?)?));
            }
        }
        Ok(())
    }

    fn pairs(&self) -> impl Iterator<Item = (&Node<'r>, &Node<'r>)> {
        self.0.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }
}

fn text(bytes: &[u8]) -> Result<Text, Fault> {
    std::str::from_utf8(bytes).map(Text::from).map_err(|_| Fault::unreadable("text of a value"))
}
