//! Conversion of records and patches into commands, most of which run a script. The scripts explain their arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use ::redis::Cmd;

use super::fault::Fault;
use super::head::{self, HEAD};
use super::name::{Name, check};
use super::script::{self, command, sha1_hex};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Deadline, Expected, Patch, Precondition};
use crate::record::{Record, Text, key};
use crate::store::SWEEP_GRACE;

/// Time from when a sweep may remove a record to its removal by the engine, which uses its own clock.
const ENGINE_MARGIN: Duration = Duration::from_secs(5 * 60);

/// Latest expiry time that is sent, the end of the year 9999: engines refuse larger numbers.
const LAST: i64 = 253_402_300_799_999;

/// Longest base that is sent as text, in bytes. A base longer than its hash is sent as the hash.
const LONGEST_BASE: usize = 40;

/// `latest`: instant after which the server must not store the session any more.
pub(super) fn create(
    main: Name<'_>,
    record: &Record,
    lazy: &[&'static str],
    latest: Option<i64>,
) -> Result<Cmd, Fault> {
    let (bytes, keys) = (record.values.bytes(), record.values.len());
    let mut own_hashes: Vec<&str> =
        lazy.iter().filter(|schema| record.values.of_schema(schema).next().is_some()).copied().collect();
    add_large(&mut own_hashes, record.values.iter(), bytes, keys);
    let is_apart = |name: &str| own_hashes.contains(&key::split_schema(name).0);
    let head = head::encode(&record.head, bytes, keys, &own_hashes);
    let mut command = script::CREATE.command(main, 2 * keys + 3 * own_hashes.len() + 8, bytes + head.len() + 64);
    let expiry = engine_deadline(record.head.idle_deadline);
    match latest {
        None => command.arg(expiry),
        Some(latest) => command.arg(format!("{expiry}:{latest}")),
    };
    record.values.iter().try_for_each(|(name, _)| check(name))?;
    let in_main = || record.values.iter().filter(|(name, _)| own_hashes.is_empty() || !is_apart(name));
    command.arg("").arg(in_main().count() + 1).arg(HEAD).arg(head);
    put_pairs(&mut command, in_main());
    for schema in &own_hashes {
        let pairs = || record.values.of_schema(schema);
        command.arg(*schema).arg(pairs().count() + 1).arg(HEAD).arg("1");
        put_pairs(&mut command, pairs());
    }
    Ok(command)
}

pub(super) fn patch(main: Name<'_>, patch: &Patch, now: Timestamp, lazy: &[&'static str]) -> Result<Cmd, Fault> {
    let (expected, changes) = (patch.expected(), Changes::of(patch));
    let mut own_hashes: Vec<&str> = lazy.iter().filter(|schema| changes.sets(schema)).copied().collect();
    add_large(&mut own_hashes, patch.set.iter(), approximate_size(patch), patch.set.len());
    let args = 4 + own_hashes.len() + 2 * (expected.len() + changes.set.len()) + changes.remove.len();
    let mut command = script::PATCH.command(main, args, approximate_size(patch));
    let counts = [own_hashes.len(), expected.len(), changes.set.len(), changes.remove.len()];
    command.arg(fixed_part(patch, now, counts)?);
    if changes_head(patch) {
        command.arg(head::encode_deadline(patch.deadline.as_ref()));
        match patch.deadline {
            Some(Deadline::Touch { expires, .. } | Deadline::Choose { expires, .. }) => {
                command.arg(engine_deadline(expires))
            }
            None => command.arg(""),
        };
        command.arg(head::encode_secret(patch.secret.as_ref()));
    }
    for schema in own_hashes {
        command.arg(schema);
    }
    let set = changes.set.iter().map(|(name, _)| *name);
    for name in expected.iter().map(|expected| &*expected.name).chain(set).chain(changes.remove.iter().copied()) {
        check(name)?;
        command.arg(name);
    }
    let mut base_check = String::with_capacity(2 + LONGEST_BASE);
    for Expected { base, or_ours, .. } in expected {
        put_base_check(&mut base_check, base.as_deref(), *or_ours);
        command.arg(&*base_check);
    }
    for (_, text) in changes.set {
        command.arg(text);
    }
    Ok(command)
}

/// Number of keys from which a schema is put into a hash of its own.
const MANY_KEYS: usize = 512;
/// Bytes of names and texts from which a schema is put into a hash of its own.
const MANY_BYTES: usize = 64 * 1024;

/// Adds the schemas that are large, so that loads of other schemas need not read them. `bytes`, `keys`: upper bounds of
/// the totals.
fn add_large<'p>(
    own_hashes: &mut Vec<&'p str>,
    pairs: impl Iterator<Item = &'p (Text, Text)>,
    bytes: usize,
    keys: usize,
) {
    if bytes < MANY_BYTES && keys < MANY_KEYS {
        return;
    }
    let mut totals = BTreeMap::<&str, (usize, usize)>::new();
    for (name, text) in pairs {
        let (bytes, keys) = totals.entry(key::split_schema(name).0).or_default();
        (*bytes, *keys) = (*bytes + name.len() + text.len(), *keys + 1);
    }
    let is_large = |(bytes, keys): (usize, usize)| bytes >= MANY_BYTES || keys >= MANY_KEYS;
    let large = totals.into_iter().filter(|(_, total)| is_large(*total)).map(|(schema, _)| schema);
    let others: Vec<&str> = large.filter(|schema| !schema.is_empty() && !own_hashes.contains(schema)).collect();
    own_hashes.extend(others);
}

/// Net changes of a patch, each name once.
struct Changes<'p> {
    set: Vec<(&'p str, &'p str)>,
    remove: Vec<&'p str>,
}

impl<'p> Changes<'p> {
    /// Keeps the later of two changes of one name. Removals override everything that is set.
    fn of(patch: &'p Patch) -> Self {
        let mut remove: Vec<&str> = patch.remove.iter().map(|name| &**name).collect();
        remove.sort_unstable();
        remove.dedup();
        let mut set: Vec<(&str, &str)> = patch.set.iter().rev().map(|(name, text)| (&**name, &**text)).collect();
        // A stable sort keeps the later change in front.
        set.sort_by_key(|(name, _)| *name);
        set.dedup_by_key(|(name, _)| *name);
        set.retain(|(name, _)| remove.binary_search(name).is_err());
        Self { set, remove }
    }

    fn sets(&self, schema: &str) -> bool {
        self.set.iter().any(|(name, _)| key::split_schema(name).0 == schema)
    }
}

fn changes_head(patch: &Patch) -> bool {
    patch.deadline.is_some() || patch.secret.is_some()
}

/// Longest form, in bytes, of the argument that every patch has.
const FIXED_PART: usize = 41;

fn fixed_part(patch: &Patch, now: Timestamp, counts: [usize; 4]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(FIXED_PART);
    out.extend_from_slice(&head::moment(now));
    out.extend_from_slice(&patch.generation.to_be_bytes());
    for count in counts {
        let count = u32::try_from(count).map_err(|_| Fault::unsupported("too many keys for one step"))?;
        out.extend_from_slice(&count.to_be_bytes());
    }
    out.push(u8::from(changes_head(patch)));
    if let Precondition::Revision(revision) = patch.precondition {
        out.extend_from_slice(&revision.to_be_bytes());
    }
    Ok(out)
}

/// Condition under which a session is removed.
#[derive(Clone, Copy)]
pub(super) enum Doomed {
    Always,
    /// It expired by this instant.
    Expired(Timestamp),
    /// It has this login generation.
    OfGeneration(u64),
}

pub(super) fn delete(main: Name<'_>, doomed: Doomed, lazy: &[&'static str], indexed: &[Text]) -> Cmd {
    let mut command = script::DELETE.command(main, 1 + lazy.len() + indexed.len(), 64);
    match doomed {
        Doomed::Always => command.arg(""),
        Doomed::Expired(before) => command.arg(&head::moment(before)),
        Doomed::OfGeneration(generation) => command.arg([&b"g"[..], &generation.to_be_bytes()].concat()),
    };
    for schema in lazy {
        command.arg(*schema);
    }
    for name in indexed {
        command.arg(["\0", name].concat());
    }
    command
}

pub(super) fn load_main(main: Name<'_>) -> Cmd {
    let mut load = command("HGETALL", 1, main.len());
    load.arg(main);
    load
}

pub(super) fn load_head(main: Name<'_>) -> Cmd {
    let mut load = command("HGET", 2, main.len() + HEAD.len());
    load.arg(main).arg(HEAD);
    load
}

/// Builds the command that reads the hash of one schema.
pub(super) fn load_other(main: Name<'_>, schema: &str) -> Cmd {
    let name = [&main.to_vec()[..], b":", schema.as_bytes()].concat();
    let mut load = command("HGETALL", 1, name.len());
    load.arg(name);
    load
}

pub(super) fn load_all(main: Name<'_>, wanted: Option<&[&'static str]>) -> Cmd {
    let mut command = script::LOAD.command(main, 1 + wanted.map_or(0, <[_]>::len), 64);
    command.arg(if wanted.is_none() { "all" } else { "some" });
    for schema in wanted.unwrap_or_default() {
        command.arg(*schema);
    }
    command
}

/// Key that no session has, to try a script with.
pub(super) const UNUSED_KEY: SessionKey = SessionKey::from_bytes([0; 16]);

/// Time at which the engine may remove a record by itself, in milliseconds since 1970.
pub(super) fn engine_deadline(expires: Timestamp) -> i64 {
    expires.after(SWEEP_GRACE).after(ENGINE_MARGIN).as_millis().clamp(1, LAST)
}

/// Approximate size of all names and texts.
fn approximate_size(patch: &Patch) -> usize {
    let expected = patch.expected().iter().map(|expected| expected.name.len() + 2 + LONGEST_BASE);
    let set = patch.set.iter().map(|(name, text)| name.len() + text.len());
    let remove = patch.remove.iter().map(|name| name.len());
    expected.chain(set).chain(remove).sum::<usize>() + 192
}

/// Writes the check of a value: a kind, whether the patch's own text is accepted too, and the text or its hash.
fn put_base_check(out: &mut String, base: Option<&str>, or_ours: bool) {
    out.clear();
    out.push(match base {
        None => '-',
        Some(base) if base.len() <= LONGEST_BASE => '=',
        Some(_) => '#',
    });
    out.push(if or_ours { 'o' } else { '.' });
    match base {
        None => {}
        Some(base) if base.len() <= LONGEST_BASE => out.push_str(base),
        Some(base) => out.push_str(&sha1_hex(base)),
    }
}

fn put_pairs<'p>(command: &mut Cmd, pairs: impl Iterator<Item = &'p (Text, Text)>) {
    for (name, text) in pairs {
        command.arg(&**name).arg(&**text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_changes_of_one_name_the_later_counts() {
        let set = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "4")].map(|(name, text)| (name.into(), text.into()));
        let remove = ["d", "c", "d"].map(Text::from);
        let patch = Patch { set: set.to_vec(), remove: remove.to_vec(), ..Patch::on_generation(0) };
        let changes = Changes::of(&patch);
        assert_eq!(changes.set, [("a", "2"), ("b", "3")]);
        assert_eq!(changes.remove, ["c", "d"]);
    }

    #[test]
    fn preconditions_of_a_patch_are_sent_as_text_or_as_hash() {
        let long = "x".repeat(LONGEST_BASE + 1);
        let mut check = String::new();
        let mut of = |base: Option<&str>, or_ours| {
            put_base_check(&mut check, base, or_ours);
            check.clone()
        };
        assert_eq!([of(None, false), of(None, true), of(Some("7"), false)], ["-.", "-o", "=.7"]);
        assert_eq!(of(Some(&long), true), format!("#o{}", sha1_hex(&long)));
    }
}
