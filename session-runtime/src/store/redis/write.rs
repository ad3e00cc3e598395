//! From records and patches to calls of the scripts. The arguments are explained there.

use std::time::Duration;

use ::redis::Cmd;

use super::fault::Fault;
use super::head::{self, HEAD};
use super::name::{check, schema_of};
use super::script::{self, sha1_hex};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::patch::{Deadline, Expected, Patch, RestsOn};
use crate::record::{Record, Text};
use crate::store::SWEEP_GRACE;

/// How much later than a sweep may remove a record the engine removes it by itself: the engine judges by its own clock.
const ENGINE_MARGIN: Duration = Duration::from_secs(5 * 60);

/// The last moment of the year 9999: engines do not take just any number.
const LAST: i64 = 253_402_300_799_999;

/// A base that is longer than its hash is sent as its hash.
const LONGEST_BASE: usize = 40;

pub(super) fn create(main: &[u8], record: &Record, lazy: &[&'static str]) -> Result<Cmd, Fault> {
    let (bytes, keys) = (record.values.bytes(), record.values.len());
    let is_apart = |name: &str| lazy.contains(&schema_of(name));
    let apart: Vec<&str> =
        lazy.iter().filter(|schema| record.values.of_schema(schema).next().is_some()).copied().collect();
    let head = head::encode(&record.head, bytes, keys, &apart);
    let mut command = script::CREATE.call(main, 2 * keys + 3 * apart.len() + 8, bytes + head.len() + 64);
    command.arg(engine_deadline(record.head.expires));
    record.values.iter().try_for_each(|(name, _)| check(name))?;
    let stays = || record.values.iter().filter(|(name, _)| apart.is_empty() || !is_apart(name));
    command.arg("").arg(stays().count() + 1).arg(HEAD).arg(head);
    put_pairs(&mut command, stays());
    for schema in apart {
        let pairs = || record.values.of_schema(schema);
        command.arg(schema).arg(pairs().count() + 1).arg(HEAD).arg("1");
        put_pairs(&mut command, pairs());
    }
    Ok(command)
}

pub(super) fn patch(main: &[u8], patch: &Patch, now: Timestamp, lazy: &[&'static str]) -> Result<Cmd, Fault> {
    let expected = patch.expected();
    let apart: Vec<&str> = lazy.iter().filter(|schema| sets(patch, schema)).copied().collect();
    let args = 8 + apart.len() + 2 * (expected.len() + patch.set.len()) + patch.remove.len();
    let mut command = script::PATCH.call(main, args, room(patch));
    command.arg(&head::moment(now)).arg(&patch.generation.to_be_bytes());
    match patch.rests_on {
        RestsOn::Revision(revision) => command.arg(&revision.to_be_bytes()),
        RestsOn::Values(_) => command.arg(""),
    };
    command.arg(head::encode_deadline(patch.deadline.as_ref()));
    match patch.deadline {
        Some(Deadline::Touch { expires, .. } | Deadline::Choose { expires, .. }) => {
            command.arg(engine_deadline(expires))
        }
        None => command.arg(""),
    };
    command.arg(head::encode_secret(patch.secret.as_ref()));
    command.arg(&counts([apart.len(), expected.len(), patch.set.len(), patch.remove.len()])?);
    for schema in apart {
        command.arg(schema);
    }
    for Expected { name, base, or_ours } in expected {
        check(name)?;
        command.arg(&**name).arg(base_check(base.as_deref(), *or_ours));
    }
    patch.set.iter().try_for_each(|(name, _)| check(name))?;
    put_pairs(&mut command, patch.set.iter());
    for name in &patch.remove {
        check(name)?;
        command.arg(&**name);
    }
    Ok(command)
}

pub(super) fn delete(main: &[u8], expired_before: Option<Timestamp>, lazy: &[&'static str]) -> Cmd {
    let mut command = script::DELETE.call(main, 1 + lazy.len(), 64);
    match expired_before {
        Some(before) => command.arg(&head::moment(before)),
        None => command.arg(""),
    };
    for schema in lazy {
        command.arg(*schema);
    }
    command
}

pub(super) fn load_main(main: &[u8]) -> Cmd {
    let mut command = Cmd::with_capacity(2, main.len() + 8);
    command.arg("HGETALL").arg(main);
    command
}

pub(super) fn load_all(main: &[u8], wanted: Option<&[&'static str]>) -> Cmd {
    let mut command = script::LOAD.call(main, 1 + wanted.map_or(0, <[_]>::len), 64);
    command.arg(if wanted.is_none() { "all" } else { "some" });
    for schema in wanted.unwrap_or_default() {
        command.arg(*schema);
    }
    command
}

/// A key that no session has, to try a script with.
pub(super) const NOBODY: SessionKey = SessionKey::from_bytes([0; 16]);

/// When the engine may remove a record by itself, in milliseconds since 1970.
fn engine_deadline(expires: Timestamp) -> i64 {
    expires.after(SWEEP_GRACE).after(ENGINE_MARGIN).as_millis().clamp(1, LAST)
}

fn sets(patch: &Patch, schema: &str) -> bool {
    patch.set.iter().any(|(name, _)| schema_of(name) == schema)
}

/// Of all names and texts, roughly.
fn room(patch: &Patch) -> usize {
    let expected = patch.expected().iter().map(|expected| expected.name.len() + 2 + LONGEST_BASE);
    let set = patch.set.iter().map(|(name, text)| name.len() + text.len());
    let remove = patch.remove.iter().map(|name| name.len());
    expected.chain(set).chain(remove).sum::<usize>() + 192
}

fn counts(counts: [usize; 4]) -> Result<[u8; 16], Fault> {
    let mut bytes = [0; 16];
    for (bytes, count) in bytes.chunks_exact_mut(4).zip(counts) {
        let count = u32::try_from(count).map_err(|_| Fault::unsupported("too many keys for one step"))?;
        bytes.copy_from_slice(&count.to_be_bytes());
    }
    Ok(bytes)
}

/// What a value must be: a kind, whether our own text will do, and the text or its hash.
fn base_check(base: Option<&str>, or_ours: bool) -> String {
    let ours = if or_ours { 'o' } else { '.' };
    match base {
        None => format!("-{ours}"),
        Some(base) if base.len() <= LONGEST_BASE => format!("={ours}{base}"),
        Some(base) => format!("#{ours}{}", sha1_hex(base)),
    }
}

fn put_pairs<'p>(command: &mut Cmd, pairs: impl Iterator<Item = &'p (Text, Text)>) {
    for (name, text) in pairs {
        command.arg(&**name).arg(&**text);
    }
}
