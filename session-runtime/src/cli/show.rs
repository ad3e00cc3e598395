//! `session show`: one record as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::args::ShowArgs;
use super::exit::{Exit, Failure};
use super::opened::{NONE_EXPIRED, Opened};
use super::output::{Output, time};
use crate::clock::Timestamp;
use crate::id::{SessionId, SessionKey};
use crate::record::{Text, Values, key};
use crate::request::proof::proof_in;
use crate::schema::deadline;
use crate::store::Loaded;
use crate::version::status::stored_version;

/// A record. The secret and its predecessor are left out.
#[derive(Serialize)]
struct Shown<'r> {
    key: SessionKey,
    is_expired: bool,
    created: String,
    used: String,
    expires: String,
    /// Latest moment to which `expires` can move.
    ends: String,
    /// Last proof of identity, if it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated: Option<String>,
    /// Number of logins and renewals.
    generation: u64,
    /// Number of changes.
    revision: u64,
    bytes: usize,
    keys: usize,
    /// Stored keys that are lost or damaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<&'r str>,
    schemas: BTreeMap<&'r str, Section<'r>>,
}

/// Part of a schema.
#[derive(Default, Serialize)]
struct Section<'r> {
    version: Option<u16>,
    fields: BTreeMap<&'r str, Field<'r>>,
}

/// A field, or all entries of one that is stored entry by entry.
#[derive(Default, Serialize)]
struct Field<'r> {
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value<'r>>,
}

/// Stored JSON, unchanged; text that is no JSON as a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'r> {
    Json(&'r RawValue),
    Text(&'r str),
    Entries(BTreeMap<&'r str, Value<'r>>),
}

pub(super) async fn run(opened: &Opened, args: ShowArgs, output: &mut Output) -> Result<Exit, Failure> {
    let key = parse_key(&args.key)?;
    let Some(loaded) = opened.run(opened.load(key, NONE_EXPIRED)).await? else {
        anstream::eprintln!("session: there is no session {key}");
        return Ok(Exit::Nothing);
    };
    output.json(&Shown::new(key, &loaded, opened.now(), args.values))?;
    Ok(Exit::Done)
}

/// Parses the key of a session. The message does not repeat the text, which may be an id.
pub(super) fn parse_key(text: &str) -> Result<SessionKey, Failure> {
    text.parse().map_err(|_| {
        let why = match SessionId::parse(text) {
            Some(_) => "an argument is the id of a session, which is secret; a key is needed, which `list` prints",
            None => "an argument is no key of a session: a key has 22 letters, digits, `-` or `_`, as `list` prints it",
        };
        Failure::usage(why)
    })
}

impl<'r> Shown<'r> {
    fn new(key: SessionKey, loaded: &'r Loaded, now: Timestamp, shows_values: bool) -> Self {
        let (head, values) = (&loaded.record.head, &loaded.record.values);
        let proof = proof_in(values).filter(|(_, generation)| *generation == head.generation);
        Self {
            key,
            is_expired: now >= head.idle_deadline,
            created: time(head.created),
            used: time(head.touched),
            expires: time(head.idle_deadline),
            ends: time(head.absolute_deadline),
            authenticated: proof.map(|(at, _)| time(at)),
            generation: head.generation,
            revision: head.revision,
            bytes: loaded.bytes,
            keys: loaded.keys,
            unreadable: loaded
                .unreadable
                .iter()
                .map(|name| if shows_values { name } else { schema_of(name) })
                .collect(),
            schemas: sections(values, shows_values),
        }
    }
}

/// Returns the schema of a stored key, the rest of which may be a visitor's.
fn schema_of(name: &str) -> &str {
    key::split_schema(name).0
}

fn sections(values: &Values, shows_values: bool) -> BTreeMap<&str, Section<'_>> {
    let mut sections = BTreeMap::<&str, Section<'_>>::new();
    for (name, text) in values.iter().filter(|(name, _)| schema_of(name) != key::RESERVED) {
        let section = sections.entry(schema_of(name)).or_default();
        if key::is_metadata(name) {
            section.version = stored_version(text);
        } else {
            section.add(name, text, values, shows_values);
        }
    }
    sections
}

impl<'r> Section<'r> {
    /// Adds a field, an entry of one, or its deadline.
    fn add(&mut self, name: &'r Text, text: &'r Text, values: &'r Values, shows_values: bool) {
        let part = key::field_in(name);
        let (field, entry) =
            part.split_once(key::BEFORE_ENTRY).map_or((part, None), |(field, entry)| (field, Some(entry)));
        if let Some(owner) = field.strip_suffix('~').filter(|_| entry.is_none()) {
            let of = values.get(&name[..name.len() - 1]);
            let at = of.and_then(|value| deadline::read(values, name, value));
            self.fields.entry(owner).or_default().expires = at.map(time);
            return;
        }
        let field = self.fields.entry(field).or_default();
        field.bytes += name.len() + text.len();
        match entry {
            None if shows_values => field.value = Some(Value::of(text)),
            None => {}
            Some(entry) => field.add_entry(entry, text, shows_values),
        }
    }
}

impl<'r> Field<'r> {
    fn add_entry(&mut self, entry: &'r str, text: &'r Text, shows_values: bool) {
        *self.entries.get_or_insert_default() += 1;
        if shows_values {
            let value = self.value.get_or_insert_with(|| Value::Entries(BTreeMap::new()));
            if let Value::Entries(entries) = value {
                entries.insert(entry, Value::of(text));
            }
        }
    }
}

impl<'r> Value<'r> {
    fn of(text: &'r str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}
