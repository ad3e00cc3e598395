//! The stored record: whatever a store gives back is decoded or refused with a typed error that shows none of it, and
//! what decodes is written back as a text that decodes to the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session_runtime::clock::Timestamp;
use session_runtime::config::Limits;
use session_runtime::expiry::StoredExpiry;
use session_runtime::id::SecretHash;
use session_runtime::record::{Head, PreviousSecret, Record, Text, Values};
use session_runtime::store::Wanted;
use session_runtime::{
    EntryKey, ErrorKind, MemoryStore, Schema, Session, SessionConfig, SessionError, Sessions, Store,
};

use super::input::{Input, text};
use super::reference::{encode, halves};
use super::world::{fresh_head, now, run};

/// Stands in stored texts, and must not stand in an error.
const CANARY: &str = "zqxjkv";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Size {
    #[default]
    Small,
    #[serde(rename = "large \"one\"")]
    Large,
}

impl EntryKey for Size {}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    name: String,
    #[serde(default)]
    price: Option<f64>,
    parts: Vec<Line>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Shape {
    #[default]
    None,
    Round {
        radius: f32,
    },
}

/// Two schemas that differ in what they do with a value that does not decode.
macro_rules! schema {
    ($name:ident, $key:tt, $reset:expr, [$($option:tt)*]) => {
        #[derive(Session, Debug, PartialEq)]
        #[session(key = $key, version = 1 $($option)*)]
        struct $name {
            text: String,
            #[session(renew)]
            user: Option<String>,
            letter: Option<char>,
            #[session(default = true)]
            flag: bool,
            small: i8,
            #[session(merge = sum)]
            big: u128,
            float: f64,
            size: Size,
            pair: (u16, Option<i64>),
            list: Vec<Line>,
            shape: Shape,
            set: HashSet<u8>,
            tree: BTreeMap<String, Option<bool>>,
            any: serde_json::Value,
            unit: (),
            #[session(merge = reject)]
            boxed: Option<Box<Line>>,
            #[session(merge = keys(sum))]
            cart: BTreeMap<u32, i64>,
            #[session(merge = keys)]
            names: HashMap<String, Line>,
            #[session(merge = keys)]
            sizes: BTreeSet<Size>,
            #[session(merge = keys)]
            letters: HashSet<char>,
            #[session(merge = keys)]
            flags: BTreeMap<bool, Option<u8>>,
        }

        impl Stored for $name {
            const RESET: bool = $reset;

            fn decoded(texts: &Texts, reset: bool) -> Option<Self> {
                let from = From { texts, schema: $key, reset };
                from.metadata()?;
                Some(Self {
                    text: from.field("text")?.unwrap_or_default(),
                    user: from.field("user")?.unwrap_or_default(),
                    letter: from.field("letter")?.unwrap_or_default(),
                    flag: from.field("flag")?.unwrap_or(true),
                    small: from.field("small")?.unwrap_or_default(),
                    big: from.field("big")?.unwrap_or_default(),
                    float: from.field("float")?.unwrap_or_default(),
                    size: from.field("size")?.unwrap_or_default(),
                    pair: from.field("pair")?.unwrap_or_default(),
                    list: from.field("list")?.unwrap_or_default(),
                    shape: from.field("shape")?.unwrap_or_default(),
                    set: from.field("set")?.unwrap_or_default(),
                    tree: from.field("tree")?.unwrap_or_default(),
                    any: from.field("any")?.unwrap_or_default(),
                    unit: from.field("unit")?.unwrap_or_default(),
                    boxed: from.field("boxed")?.unwrap_or_default(),
                    cart: from.entries("cart", |key| key.parse().ok())?.into_iter().collect(),
                    names: from.entries("names", quoted)?.into_iter().collect(),
                    sizes: from.elements("sizes", quoted)?.into_iter().collect(),
                    letters: from.elements("letters", quoted)?.into_iter().collect(),
                    flags: from.entries("flags", |key| key.parse().ok())?.into_iter().collect(),
                })
            }

            fn touch_all(guard: &mut Self::Mut) {
                guard.update(|_| {});
            }

            fn replace(guard: &mut Self::Mut, value: Self) {
                guard.update(|all| *all = value);
            }
        }
    };
}

schema!(Strict, "a", false, []);
schema!(Lenient, "b", true, [, on_invalid = "reset"]);

trait Stored: Schema + PartialEq + std::fmt::Debug {
    /// True if a value that does not decode is reset.
    const RESET: bool;

    /// The value of these texts, `None` if they do not decode.
    fn decoded(texts: &Texts, reset: bool) -> Option<Self>;

    fn expected(texts: &Texts) -> Option<Self> {
        Self::decoded(texts, Self::RESET)
    }

    /// Has every field compared when the guard ends.
    fn touch_all(guard: &mut Self::Mut);

    fn replace(guard: &mut Self::Mut, value: Self);
}

type Texts = BTreeMap<String, String>;

/// Decodes once more, field by field, with nothing but `serde_json`.
struct From<'t> {
    texts: &'t Texts,
    schema: &'static str,
    reset: bool,
}

impl From<'_> {
    fn metadata(&self) -> Option<()> {
        #[derive(Deserialize)]
        struct Metadata {
            v: u16,
            r: Option<u16>,
            #[allow(dead_code, reason = "its type is checked")]
            w: Option<u16>,
            #[allow(dead_code, reason = "its type is checked")]
            l: Option<String>,
        }
        let Some(text) = self.texts.get(self.schema) else { return Some(()) };
        let metadata = serde_json::from_str::<Metadata>(text).ok().filter(|_| text.trim_start().starts_with('{'))?;
        let may_read = metadata.v > 1 && metadata.r.is_some_and(|least| least <= 1);
        (metadata.v == 1 || may_read).then_some(())
    }

    #[allow(clippy::option_option, reason = "the outer one is for decoding, the inner one for presence")]
    fn field<T: DeserializeOwned>(&self, field: &str) -> Option<Option<T>> {
        let Some(text) = self.texts.get(&format!("{}.{field}", self.schema)) else { return Some(None) };
        match serde_json::from_str(text) {
            Ok(value) => Some(Some(value)),
            Err(_) if self.reset => Some(None),
            Err(_) => None,
        }
    }

    fn entries<K: ToKey, V: DeserializeOwned>(&self, field: &str, read: fn(&str) -> Option<K>) -> Option<Vec<(K, V)>> {
        let prefix = format!("{}.{field}/", self.schema);
        let mut entries = Vec::new();
        for (name, text) in self.texts.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let key = &name[prefix.len()..];
            let entry = read(key).filter(|read| read.to_key() == key).zip(serde_json::from_str(text).ok());
            match entry {
                Some(entry) => entries.push(entry),
                None if self.reset => {}
                None => return None,
            }
        }
        Some(entries)
    }

    fn elements<K: ToKey>(&self, field: &str, read: fn(&str) -> Option<K>) -> Option<Vec<K>> {
        let elements = self.entries::<K, True>(field, read)?;
        Some(elements.into_iter().map(|(key, _)| key).collect())
    }
}

fn quoted<K: DeserializeOwned>(key: &str) -> Option<K> {
    serde_json::from_str(&format!("\"{key}\"")).ok()
}

/// The value of an element of a set.
struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if bool::deserialize(from)? { Ok(Self) } else { Err(serde::de::Error::custom("false")) }
    }
}

/// A key as it is stored: JSON without its quotes.
trait ToKey: Serialize {
    fn to_key(&self) -> String {
        let text = serde_json::to_string(self).unwrap();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text).to_owned()
    }
}

impl<K: Serialize> ToKey for K {}

struct Site {
    store: Arc<MemoryStore>,
    sessions: Sessions,
    cookie: String,
}

const ID: [u8; 32] = [0x5a; 32];

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let config = SessionConfig::new().limits(Limits { record_bytes: usize::MAX / 4, record_keys: usize::MAX / 4 });
        let sessions = Sessions::builder().store(store.clone()).config(config).clock(now);
        let sessions = sessions.schemas::<(Strict, Lenient)>().build().unwrap();
        Self { store, sessions, cookie: format!("__Host-Http-id={}", encode(&ID)) }
    }

    fn stored(&self) -> Option<Record> {
        let loaded = run(self.store.load(halves(&ID).0, &Wanted::all(), now().into())).unwrap();
        loaded.map(|loaded| loaded.record)
    }
}

/// The first byte chooses the schema, a few more the head; then names and texts follow each other.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let lenient = input.choice(2) == 1;
    let head = head(&mut input);
    let texts = texts(&mut input, if lenient { "b" } else { "a" });
    check_record(lenient, head, &texts);
}

/// Inputs longer than the fuzzer's: 100,000 brackets, and as many entries.
#[cfg(test)]
pub fn check_large() {
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    for (lenient, key) in [(false, "a"), (true, "b")] {
        for field in ["any", "list", "names/x"] {
            let texts = Texts::from([(format!("{key}.{field}"), deep.clone())]);
            check_record(lenient, fresh_head(halves(&ID).1), &texts);
        }
        let texts = (0..100_000).map(|at| (format!("{key}.cart/{at}"), "7".to_owned())).collect();
        check_record(lenient, fresh_head(halves(&ID).1), &texts);
    }
}

fn check_record(lenient: bool, head: Head, texts: &Texts) {
    let values: Values = texts.iter().map(|(name, text)| (Text::from(&**name), Text::from(&**text))).collect();
    SITE.with(|site| {
        let key = halves(&ID).0;
        run(site.store.delete(key)).unwrap();
        run(site.store.create(key, Record::new(head, values))).unwrap();
        if lenient { check_schema::<Lenient>(site, texts) } else { check_schema::<Strict>(site, texts) }
    });
}

fn check_schema<S: Stored>(site: &Site, texts: &Texts) {
    let visit = site.sessions.open([&*site.cookie]);
    let alive = site.stored().is_some_and(|record| opens(&record.head));
    let expected = S::expected(if alive { texts } else { const { &Texts::new() } });
    match (run(visit.read::<S>()), &expected) {
        (Ok(value), Some(expected)) => assert_eq!(value, expected),
        (Err(error), None) => assert_is_silent::<S>(&error),
        (Err(error), Some(expected)) => panic!("{error} instead of {expected:?}"),
        (Ok(value), None) => panic!("{value:?} instead of an error"),
    }
    let key = halves(&ID).0;
    match (run(site.sessions.read::<S>(&key)), S::expected(texts)) {
        (Ok(None), _) => assert!(site.stored().is_none()),
        (Ok(Some(value)), expected) => assert_eq!(Some(value), expected),
        (Err(error), expected) => {
            assert!(expected.is_none(), "{error}");
            assert_is_silent::<S>(&error);
        }
    }
    if let Some(expected) = expected.filter(|_| alive) {
        check_untouched::<S>(site, texts);
        check_rewritten(site, texts, expected);
    }
}

/// True if the cookie's id is the record's.
fn opens(head: &Head) -> bool {
    let (_, secret) = halves(&ID);
    let previous = head.previous.as_ref().filter(|previous| previous.hash == secret);
    let now = Timestamp::from(now());
    head.secret == secret || previous.is_some_and(|previous| previous.until.is_none_or(|until| now < until))
}

fn assert_is_silent<S: Schema>(error: &SessionError) {
    assert!(matches!(error.kind(), ErrorKind::Undecodable | ErrorKind::Newer), "{error}");
    assert_eq!(error.schema(), Some(S::KEY));
    let shown = format!("{error} {error:?} {}", error.chain());
    assert!(!shown.contains(CANARY), "{shown}");
}

/// Nothing has changed, so nothing is written, however the stored texts are spelled.
fn check_untouched<S: Stored>(site: &Site, texts: &Texts) {
    let stored = write_back::<S>(site);
    let written: Texts = stored.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    assert_eq!(&written, texts);
}

/// Writes the decoded values into a new session, and asserts that they read the same there.
fn check_rewritten<S: Stored>(site: &Site, texts: &Texts, value: S) {
    let visit = site.sessions.open([]);
    let mut guard = run(visit.write::<S>()).unwrap();
    S::replace(&mut guard, value);
    drop(guard);
    let finished = run(visit.finish(200));
    assert!(finished.error.is_none(), "{:?}", finished.error);
    let Some(key) = visit.key() else {
        assert_eq!(S::expected(texts), S::expected(&Texts::new()));
        return;
    };
    assert_eq!(run(site.sessions.read::<S>(&key)).unwrap(), S::expected(texts));
    run(site.sessions.destroy(&key)).unwrap();
}

/// A request that touches every field and changes none.
fn write_back<S: Stored>(site: &Site) -> Values {
    let visit = site.sessions.open([&*site.cookie]);
    match run(visit.write::<S>()) {
        Ok(mut guard) => S::touch_all(&mut guard),
        // A newer version may be for reading only.
        Err(error) => assert_eq!(error.kind(), ErrorKind::Newer),
    }
    let finished = run(visit.finish(200));
    assert!(finished.error.is_none(), "{:?}", finished.error);
    site.stored().unwrap().values
}

fn head(input: &mut Input<'_>) -> Head {
    let mut head = fresh_head(halves(&ID).1);
    let what = input.byte();
    if what & 1 != 0 {
        (head.created, head.touched, head.absolute_deadline) = (moment(input), moment(input), moment(input));
    }
    if what & 2 != 0 {
        head.idle_deadline = moment(input);
    }
    if what & 4 != 0 {
        head.generation = input.number().cast_unsigned();
        head.revision = input.number().cast_unsigned();
        head.generation_since = Some(moment(input));
    }
    if what & 8 != 0 {
        let hash = if input.choice(2) == 0 { halves(&ID).1 } else { SecretHash::from_bytes([0; 32]) };
        head.previous = Some(PreviousSecret { hash, until: (input.choice(2) == 0).then(|| moment(input)) });
    }
    if what & 16 != 0 {
        (head.secret, head.secret_since) = (SecretHash::from_bytes([0; 32]), moment(input));
    }
    if what & 32 != 0 {
        head.expiry = expiry(input);
    }
    head
}

fn moment(input: &mut Input<'_>) -> Timestamp {
    Timestamp::from_millis(input.number())
}

/// A text that is a stored expiry is the one that it is written as.
fn expiry(input: &mut Input<'_>) -> StoredExpiry {
    let text = text(input.piece(), &[(1, "after "), (2, "at ")]);
    let parsed = text.parse::<StoredExpiry>();
    if let Ok(expiry) = parsed {
        assert_eq!(expiry.to_string().parse(), Ok(expiry));
    }
    parsed.unwrap_or(StoredExpiry::BrowserClose)
}

const FIELDS: [&str; 22] = [
    "",
    ".text",
    ".user",
    ".letter",
    ".flag",
    ".small",
    ".big",
    ".float",
    ".size",
    ".pair",
    ".list",
    ".shape",
    ".set",
    ".tree",
    ".any",
    ".unit",
    ".boxed",
    ".cart/",
    ".names/",
    ".sizes/",
    ".letters/",
    ".flags/",
];

fn texts(input: &mut Input<'_>, schema: &str) -> Texts {
    let mut texts = Texts::new();
    while !input.is_empty() {
        let which = usize::from(input.byte());
        let name = match FIELDS.get(which % 32) {
            Some(entry) if entry.ends_with('/') => format!("{schema}{entry}{}", stored(input)),
            Some(field) => format!("{schema}{field}"),
            None => stored(input),
        };
        let text = if which & 0x80 == 0 { stored(input) } else { deep(input) };
        if which & 0x60 == 0x60 {
            many(&mut texts, &name, &text, input.byte());
        }
        texts.insert(name, text);
    }
    texts
}

fn stored(input: &mut Input<'_>) -> String {
    let pieces = [
        (1, CANARY),
        (2, "{\"v\":"),
        (3, "\":"),
        (4, "null"),
        (5, "\"name\":"),
        (6, "\"parts\":[]"),
        (7, "\"price\":"),
        (8, "{\"kind\":"),
        (11, "true"),
        (12, "\\u0000"),
        (14, "1e308"),
        (15, "\"Round\",\"radius\":"),
        (16, "340282366920938463463374607431768211455"),
        (17, "\"Small\""),
        (18, "0.1"),
    ];
    text(input.piece(), &pieces)
}

/// A text nested deeper than the decoder goes, or nearly so.
fn deep(input: &mut Input<'_>) -> String {
    let (depth, [open, close]) = (usize::from(input.byte()), [["[", "]"], ["{\"\":", "}"]][input.choice(2)]);
    let inside = stored(input);
    [open.repeat(depth), inside, close.repeat(depth)].concat()
}

/// The same text under many names.
fn many(texts: &mut Texts, name: &str, text: &str, count: u8) {
    texts.extend((0..count / 8).map(|at| (format!("{name}{at}"), text.to_owned())));
}
