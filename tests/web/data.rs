//! Stored values: every type comes back as it was, and what does not decode, is too deep or too large does no harm.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{ErrorKind, Session, SessionKey, Sessions};

use crate::app::{App, Browser, Cart, patient};
use crate::regressions::Web;
use crate::store::recording_store;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    One(i32),
    Two(u8, String),
    Named { x: f64, y: Option<bool> },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Nested {
    inner: Option<Box<Nested>>,
    list: Vec<(char, Option<i8>)>,
}

#[derive(Session)]
#[session(key = "kinds", version = 1)]
struct Kinds {
    yes: bool,
    letter: char,
    small: i8,
    wide: u128,
    low: i128,
    real: f64,
    single: f32,
    text: String,
    #[session(default = Shape::Unit)]
    shape: Shape,
    shapes: Vec<Shape>,
    nested: Nested,
    array: [u16; 3],
    pair: (Option<u8>, String),
    bytes: Vec<u8>,
    boxed: Option<Box<str>>,
    map: HashMap<String, Vec<u8>>,
    by_number: BTreeMap<i64, String>,
    set: HashSet<u32>,
    #[session(merge = keys)]
    entries: BTreeMap<String, Nested>,
    #[session(merge = keys)]
    elements: BTreeSet<i16>,
    duration: Duration,
}

/// A value that nests without end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Deep(Vec<Deep>);

#[derive(Session)]
#[session(key = "deep", version = 1)]
struct Depths {
    deep: Deep,
    many: BTreeMap<String, u32>,
}

async fn create(sessions: &Sessions) -> SessionKey {
    let visit = sessions.open([]);
    visit.write::<Kinds>().await.unwrap().set_yes(true);
    assert!(visit.finish(200).await.error.is_none());
    visit.key().unwrap()
}

fn sessions(store: &RecordingStore) -> Sessions {
    let builder = Sessions::builder().store(store.clone()).clock(ManualClock::new());
    builder.schemas::<(Kinds, Depths)>().build().unwrap()
}

fn fill(kinds: &mut KindsMut) {
    let odd = "\0\u{1}\"'\\/ü\u{10ffff}\r\n%_*; DROP TABLE session".to_owned();
    let nested = Nested { inner: Some(Box::default()), list: vec![('"', None), ('\u{10ffff}', Some(i8::MIN))] };
    kinds.set_letter('\0');
    kinds.set_small(i8::MIN);
    kinds.set_wide(u128::MAX);
    kinds.set_low(i128::MIN);
    kinds.set_real(f64::MIN_POSITIVE);
    kinds.set_single(0.1);
    kinds.set_text(odd.clone());
    kinds.set_shape(Shape::Named { x: -0.5, y: None });
    kinds.set_shapes(vec![Shape::Unit, Shape::One(i32::MIN), Shape::Two(0, odd.clone())]);
    kinds.set_nested(nested.clone());
    kinds.set_array([0, 1, u16::MAX]);
    kinds.set_pair((Some(0), String::new()));
    kinds.set_bytes((0..=255).collect());
    kinds.set_boxed("".into());
    kinds.set_map([(odd.clone(), vec![255]), (String::new(), Vec::new())].into());
    kinds.set_by_number([(i64::MIN, odd.clone()), (0, String::new())].into());
    kinds.set_set([0, u32::MAX].into());
    kinds.set_entries([(odd, nested), (String::new(), Nested::default())].into());
    kinds.set_elements([i16::MIN, 0, i16::MAX].into());
    kinds.set_duration(Duration::new(u64::MAX, 999_999_999));
}

/// B68: a value of every kind of type comes back as it was, read by a program that has just started.
#[rocket::async_test]
async fn every_kind_of_value_comes_back() {
    let store = recording_store();
    let key = create(&sessions(&store)).await;
    sessions(&store).update::<Kinds, _>(&key, fill).await.unwrap().unwrap();
    // Never stored: what `fill` gives before anything is encoded.
    let unsaved = sessions(&store).open([]);
    let mut expected = unsaved.write::<Kinds>().await.unwrap();
    fill(&mut expected);
    let read = sessions(&store).read::<Kinds>(&key).await.unwrap().unwrap();
    assert!(*read.yes());
    assert_eq!((read.letter(), read.small(), read.wide(), read.low()), (&'\0', &i8::MIN, &u128::MAX, &i128::MIN));
    assert_eq!((read.real().to_bits(), read.single().to_bits()), (f64::MIN_POSITIVE.to_bits(), 0.1_f32.to_bits()));
    assert_eq!((read.text(), read.shape(), read.shapes()), (expected.text(), expected.shape(), expected.shapes()));
    assert_eq!((read.nested(), read.array(), read.pair()), (expected.nested(), expected.array(), expected.pair()));
    assert_eq!((read.bytes(), read.boxed(), read.map()), (expected.bytes(), expected.boxed(), expected.map()));
    assert_eq!(
        (read.by_number(), read.set(), read.entries()),
        (expected.by_number(), expected.set(), expected.entries())
    );
    assert_eq!((read.elements(), read.duration()), (expected.elements(), expected.duration()));
}

/// B13, C38: whatever is wrong with a stored value, reading it is an error that names schema and field and shows
/// nothing of it; the text stays as it is, and other schemas work.
#[rocket::async_test]
async fn an_undecodable_value_is_named_and_left_alone() {
    let forms = [
        ("kinds.shape", ""),
        ("kinds.shape", "null"),
        ("kinds.shape", "[]"),
        ("kinds.shape", "{}"),
        ("kinds.shape", "\"Secret\""),
        ("kinds.shape", "{\"One\":\"secret\"}"),
        ("kinds.shape", "{\"Named\":{\"x\":1.0,\"y\":null}"),
        ("kinds.shape", "{\"Named\":{\"y\":null}}"),
        ("kinds.shape", "{\"Named\":{\"x\":1.0,\"x\":2.0,\"y\":null}}"),
        ("kinds.shape", "{\"One\":1} secret"),
        ("kinds.shape", "\u{0}\u{1}"),
        ("kinds.small", "128"),
        ("kinds.small", "1e2"),
        ("kinds.array", "[1,2]"),
        ("kinds.array", "[1,2,3,4]"),
        ("kinds.letter", "\"\""),
        ("kinds.text", "\"\\ud800\""),
        ("kinds.elements/x", "true"),
        ("kinds.elements/1", "7"),
        ("kinds.entries/a", "[]"),
    ];
    for (name, text) in forms {
        let store = recording_store();
        let sessions = sessions(&store);
        let key = create(&sessions).await;
        store.plant(key, name, text).await;
        let error = sessions.read::<Kinds>(&key).await.map(|_| ()).unwrap_err();
        let field = name.split(['.', '/']).nth(1);
        assert_eq!(
            (error.kind(), error.schema(), error.field()),
            (ErrorKind::Undecodable, Some("kinds"), field),
            "{name}: {text}"
        );
        let shown = format!("{error} {error:?} {}", error.chain());
        assert!(!shown.to_lowercase().contains("secret"), "{shown}");
        assert!(sessions.update::<Kinds, _>(&key, |kinds| kinds.set_yes(false)).await.is_err(), "{name}: {text}");
        assert!(sessions.read::<Depths>(&key).await.unwrap().is_some(), "{name}: {text}");
        assert_eq!(store.record(key).await.unwrap().values.get(name), Some(text));
    }
}

/// C38: a field of a struct that this program does not know is ignored, as serde does.
#[rocket::async_test]
async fn an_unknown_field_inside_a_value_is_ignored() {
    let store = recording_store();
    let sessions = sessions(&store);
    let key = create(&sessions).await;
    store.plant(key, "kinds.shape", r#"{"Named":{"x":1.5,"y":true,"z":[1]}}"#).await;
    let shape = Shape::Named { x: 1.5, y: Some(true) };
    assert_eq!(sessions.read::<Kinds>(&key).await.unwrap().unwrap().shape(), &shape);
}

/// C39: below the limit every size is stored and comes back; above it the error is typed and nothing reaches the store.
#[rocket::async_test]
async fn a_value_of_any_size_is_stored_or_refused() {
    for bytes in [1, 1_000, 100_000, 1_000_000, 1 << 20, 4 << 20, 64 << 20] {
        let web = Web::new();
        let visit = web.open(&Browser::default());
        let mut cart = visit.write::<Cart>().await.unwrap();
        cart.set_note("x".repeat(bytes));
        web.store.take_calls();
        let saved = cart.save().await.map_err(|error| error.kind());
        if bytes > 1_000_000 {
            assert_eq!((saved, web.store.total_calls()), (Err(ErrorKind::TooLarge), 0), "{bytes} bytes");
        } else {
            assert_eq!(saved, Ok(()), "{bytes} bytes");
            let stored = web.store.record(visit.key().unwrap()).await.unwrap();
            assert_eq!(stored.values.get("cart.note").unwrap().len(), bytes + 2);
        }
    }
}

/// C40: a text that opens 200,000 brackets is an error and no overflow of the stack.
#[rocket::async_test]
async fn endless_nesting_is_an_error() {
    let store = recording_store();
    let sessions = sessions(&store);
    let key = create(&sessions).await;
    for text in ["[".repeat(200_000), format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))] {
        store.plant(key, "deep.deep", &text).await;
        let error = sessions.read::<Depths>(&key).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Undecodable, Some("deep")));
    }
}

/// C40: a map of a million keys, stored by another program, is read in bounded time, and no further key fits.
#[rocket::async_test]
async fn a_map_of_a_million_keys_is_read_in_bounded_time() {
    use std::fmt::Write as _;
    let store = recording_store();
    let sessions = sessions(&store);
    let key = create(&sessions).await;
    let mut text = "{".to_owned();
    (0..1_000_000).for_each(|n| write!(text, "\"{n}\":{n},").unwrap());
    text.pop();
    text.push('}');
    store.plant(key, "deep.many", &text).await;
    let start = Instant::now();
    assert_eq!(sessions.read::<Depths>(&key).await.unwrap().unwrap().many().len(), 1_000_000);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let grown = sessions.update::<Kinds, _>(&key, |kinds| kinds.set_text("more".into())).await;
    assert_eq!(grown.unwrap_err().kind(), ErrorKind::TooLarge);
}

/// B24, C17: nothing that is stored holds an id, its secret half, or its text, whatever the store.
#[rocket::async_test]
async fn no_record_holds_an_id() {
    let app = App::with(patient().renew_every(Duration::from_secs(60))).await;
    let mut ids = Vec::new();
    for user in ["ada", "bob"] {
        let mut browser = Browser::default();
        for path in ["/add/7", &format!("/login/{user}"), "/renew", "/add/8"] {
            app.post(&mut browser, path).await;
            ids.push(browser.0.clone().unwrap());
        }
        app.clock.advance(Duration::from_secs(60));
        app.get(&mut browser, "/cart").await;
        ids.push(browser.0.unwrap());
    }
    let mut stored = Vec::new();
    for (_, record) in app.store.all().await {
        stored.extend_from_slice(record.head.secret.as_bytes());
        if let Some(previous) = &record.head.previous {
            stored.extend_from_slice(previous.hash.as_bytes());
        }
        record.values.iter().for_each(|(name, text)| stored.extend_from_slice(format!("{name} {text}\n").as_bytes()));
    }
    assert!(stored.windows(5).any(|bytes| bytes == b"\"ada\""), "the search should find a stored value");
    for id in ids {
        let bytes = base64(&id);
        let secret = &bytes[16..];
        let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        for needle in [id.as_bytes(), &id.as_bytes()[22..], secret, hex.as_bytes()] {
            assert!(!stored.windows(needle.len()).any(|bytes| bytes == needle));
        }
    }
}

/// Base64url (RFC 4648 section 5), written a second time.
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<bool> =
        text.bytes().flat_map(|letter| (0..6).rev().map(move |bit| value(letter) >> bit & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
}
