//! Tests that need access to the inside of the seal: other purposes, other versions, malformed content.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use proptest::prelude::*;

use super::seal::{Opened, associated_data};
use super::{CookieStore, RequestStore, Sealer, content};
use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, CookieConfig, CookieRules};
use crate::error::ErrorKind;
use crate::id::{Random, RandomError, SessionId, SessionKey};
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Patch, Patched};
use crate::record::{Head, Record, Values};
use crate::store::{Created, Store, StoreErrorKind, Wanted};

const MINUTE: Duration = Duration::from_secs(60);

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

fn rules(name: &str) -> CookieRules {
    CookieConfig::new().name(name).resolve(false).unwrap()
}

fn store() -> Arc<CookieStore> {
    Arc::new(CookieStore::new([CookieStore::random_key().unwrap()]).unwrap())
}

fn key() -> SessionKey {
    SessionKey::from_bytes([7; 16])
}

fn head() -> Head {
    Head {
        created: now().before(MINUTE * 90),
        touched: now().before(MINUTE),
        idle_deadline: now().after(MINUTE),
        absolute_deadline: now().after(MINUTE * 60),
        expiry: StoredExpiry::Default,
        secret: SessionId::sealed(key()).secret_hash(),
        secret_since: now(),
        previous: None,
        generation: 3,
        generation_since: None,
        revision: 0,
    }
}

fn record(texts: &[(&str, &str)]) -> Record {
    let values = texts.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    Record { head: head(), values }
}

fn value_of(sealer: &Sealer, record: &Record) -> String {
    let line = sealer.seal(key(), record, now(), "patch").unwrap();
    let (_, value) = line.header().unwrap().split(';').next().unwrap().split_once('=').unwrap();
    value.to_owned()
}

#[test]
fn a_sealed_record_opens() {
    let sealer = Sealer::new(store(), rules("__Host-Http-id"), Random::default());
    let before =
        record(&[("auth.user", "\"ada\""), ("cart", "{\"v\":1}"), ("cart.items/7", "2"), ("cart.items/8", "")]);
    let Opened { key: found, record, needs_reseal } = sealer.open(&value_of(&sealer, &before), now()).unwrap();
    assert_eq!((found, record.head, needs_reseal), (key(), before.head, false));
    assert!(record.values == before.values);
}

/// C36: purpose and version are authenticated, so a seal made for another one does not open, although the key is right
/// and the text well formed.
#[test]
fn another_purpose_or_version_does_not_open() {
    let store = store();
    let sealer = Sealer::new(store.clone(), rules("id"), Random::default());
    let content = content::encode(key(), &record(&[]), now());
    let text = |version: u8, authenticated: u8, parts: &[&str]| {
        let seal = store.ring.first();
        let aad = associated_data(authenticated, parts);
        let sealed = seal.cipher.encrypt(&XNonce::from([9; 24]), Payload { msg: &content, aad: &aad }).unwrap();
        Base64UrlUnpadded::encode_string(&[&[version][..], &seal.id, &[9; 24], &sealed].concat())
    };
    assert!(sealer.open(&text(1, 1, &["session", "id", ""]), now()).is_some(), "made as it should be, it opens");
    for (version, authenticated, parts) in [
        (1, 1, ["flash", "id", ""]),
        (1, 1, ["session", "", "id"]),
        (1, 1, ["sessionid", "", ""]),
        (1, 2, ["session", "id", ""]),
        (2, 2, ["session", "id", ""]),
        (0, 0, ["session", "id", ""]),
        (2, 1, ["session", "id", ""]),
    ] {
        let text = text(version, authenticated, &parts);
        assert!(sealer.open(&text, now()).is_none(), "version {version}/{authenticated}, {parts:?}");
    }
}

/// C27: a session is over at its idle or absolute deadline, and not one millisecond earlier.
#[test]
fn a_deadline_inside_the_seal_ends_it() {
    let sealer = Sealer::new(store(), rules("id"), Random::default());
    for (idle, absolute) in [(1, 5), (5, 1)] {
        let mut record = record(&[]);
        (record.head.idle_deadline, record.head.absolute_deadline) =
            (now().after(MINUTE * idle), now().after(MINUTE * absolute));
        let value = value_of(&sealer, &record);
        let end = now().after(MINUTE);
        assert!(sealer.open(&value, end.before(Duration::from_millis(1))).is_some());
        assert!(sealer.open(&value, end).is_none());
        assert!(sealer.open(&value, Timestamp::MAX).is_none());
    }
}

/// C42: a bad key is rejected, and the error shows no part of it.
#[test]
fn bad_keys_are_refused_without_being_shown() {
    let good = CookieStore::random_key().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let bytes = Base64UrlUnpadded::decode_vec(&good).unwrap();
    let padded = base64ct::Base64::encode_string(&bytes);
    for spelling in
        [&good, &padded, &format!("{good}="), &hex(&bytes), &hex(&bytes).to_uppercase(), &format!(" {good}\n")]
    {
        let ring = CookieStore::new([spelling]).unwrap().ring;
        assert_eq!(
            ring.first().id,
            CookieStore::new([&good]).unwrap().ring.first().id,
            "one key, however it is spelled"
        );
    }
    let bad = [
        (String::new(), "not 32 bytes"),
        (Base64UrlUnpadded::encode_string(&bytes[..16]), "not 32 bytes"),
        (good[..42].to_owned(), "not 32 bytes"),
        (format!("{good}A"), "not 32 bytes"),
        (format!("{}!", &good[..42]), "not 32 bytes"),
        (hex(&bytes).replace(|letter: char| letter.is_ascii_digit(), "g"), "not 32 bytes"),
        (hex(&[0; 32]), "repeats itself"),
        (hex(b"0123456789abcdef0123456789abcdef"), "repeats itself"),
        (Base64UrlUnpadded::encode_string(b"secretsecretsecretsecretsecretse"), "repeats itself"),
    ];
    for (text, why) in bad {
        let error = CookieStore::new([&good, &text]).map(drop).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.chain());
        for expected in [why, "key 2", "openssl rand -base64 32"] {
            assert!(shown.contains(expected), "{shown}");
        }
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!shown.contains(&good) && (text.is_empty() || !shown.contains(&text)), "{shown}");
    }
    let none = CookieStore::new([] as [&str; 0]).map(drop).unwrap_err();
    assert!(none.to_string().contains("openssl rand -base64 32"), "{none}");
    let twice = CookieStore::new([&good, &padded]).map(drop).unwrap_err();
    assert!(twice.to_string().contains("twice"), "{twice}");
}

#[test]
fn debug_shows_no_key() {
    let (key, other) = (CookieStore::random_key().unwrap(), CookieStore::random_key().unwrap());
    let store = CookieStore::new([&key, &other]).unwrap().application("shop");
    assert_eq!(format!("{store:?}"), r#"CookieStore { keys: 2, application: "shop", .. }"#);
}

/// Each master gives a different key and a different id, and neither is the master.
#[test]
fn keys_of_a_ring_differ() {
    let texts: Vec<String> = (0..100).map(|_| CookieStore::random_key().unwrap()).collect();
    let ring = CookieStore::new(&texts).unwrap().ring;
    let mut names: Vec<_> = texts.iter().map(|text| CookieStore::new([text]).unwrap().ring.first().id).collect();
    assert!(names.iter().all(|name| ring.named(*name).count() == 1));
    for (text, name) in texts.iter().zip(&names) {
        assert!(!Base64UrlUnpadded::decode_vec(text).unwrap().windows(4).any(|four| four == name));
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 100);
}

/// A record that does not fit into a cookie is refused, and the held record stays unchanged. The same holds if the
/// operating system fails to seal it.
#[tokio::test]
async fn a_request_store_holds_only_sealed_records() {
    let sealer = Arc::new(Sealer::new(store(), rules("id"), Random::default()));
    let request_store = RequestStore::new(sealer, None);
    let large = "x".repeat(4_000);
    let error = request_store.create(key(), record(&[("a.b", &large)])).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    assert!(request_store.load(key(), &Wanted::all(), now()).await.unwrap().is_none());
    assert!(request_store.line() == CookieCommand::Keep);
    assert_eq!(request_store.create(key(), record(&[("a.b", "1")])).await.unwrap(), Created::Done);
    let line = request_store.line();
    assert_eq!(request_store.create(key(), record(&[])).await.unwrap(), Created::Taken);
    let patch = Patch { set: vec![("a.b".into(), large.into())], ..Patch::on_generation(3) };
    let error = request_store.patch(key(), patch.clone(), now()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge);
    let held = request_store.load(key(), &Wanted::all(), now()).await.unwrap().unwrap().record;
    assert!(held.values.get("a.b") == Some("1") && held.head.revision == 0 && request_store.line() == line);
    let late = now().after(MINUTE);
    assert!(matches!(request_store.patch(key(), patch.clone(), late).await.unwrap(), Patched::Gone));
    let patch = Patch { generation: 2, ..patch };
    assert!(matches!(request_store.patch(key(), patch, now()).await.unwrap(), Patched::Renewed));
    request_store.delete(key()).await.unwrap();
    assert!(request_store.load(key(), &Wanted::all(), now()).await.unwrap().is_none());
    assert!(request_store.line() == CookieCommand::Keep);
}

/// C16b: without random bytes there is no cookie, and nothing else is used in their place.
#[test]
fn without_random_bytes_nothing_is_sealed() {
    let sealer = Sealer::new(store(), rules("id"), Random(|_| Err(RandomError)));
    let error = sealer.seal(key(), &record(&[]), now(), "create").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

/// Checks the size of the smallest record, so that a larger frame does not go unnoticed: 45 bytes around the content.
#[test]
fn the_frame_is_small() {
    let content = content::encode(key(), &record(&[]), now());
    assert!(content.len() <= 42, "{} bytes", content.len());
    let cart = record(&[("cart", "{\"v\":1}"), ("cart.items/1000", "2"), ("cart.items/1001", "2")]);
    let names = "cart".len() + "cart.items/1000".len() + "1001".len();
    let texts = "{\"v\":1}".len() + 2;
    assert_eq!(content::encode(key(), &cart, now()).len(), content.len() + names + texts + 3 * 3);
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 0_i64..4_000_000_000_000, Just(i64::MAX), Just(i64::MIN)].prop_map(Timestamp::from_millis)
}

fn expiry() -> impl Strategy<Value = StoredExpiry> {
    prop_oneof![
        Just(StoredExpiry::Default),
        any::<u64>().prop_map(|millis| StoredExpiry::After { millis }),
        moment().prop_map(StoredExpiry::At),
        Just(StoredExpiry::BrowserClose),
    ]
}

fn values() -> impl Strategy<Value = Values> {
    let name = "(cart|auth|a)(\\.(items|b|)(/[a-c/.é]{0,6})?)?";
    proptest::collection::vec((name, any::<String>()), 0..30)
        .prop_map(|texts| texts.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
}

proptest! {
    /// Encoded content decodes to the same record, for any numbers and texts.
    #[test]
    fn content_survives(
        sealed in moment(),
        times in proptest::array::uniform4(moment()),
        expiry in expiry(),
        bytes in any::<[u8; 16]>(),
        generation in any::<u64>(),
        values in values(),
    ) {
        let key = SessionKey::from_bytes(bytes);
        let [created, touched, idle_deadline, absolute_deadline] = times;
        let secret = SessionId::sealed(key).secret_hash();
        let head = Head { created, touched, idle_deadline, absolute_deadline, expiry, secret, secret_since: sealed, generation, ..head() };
        let bytes = content::encode(key, &Record { head: head.clone(), values: values.clone() }, sealed);
        let first = Timestamp::from_millis(i64::MIN);
        let over = first >= idle_deadline || first >= absolute_deadline;
        match content::decode(&bytes, first) {
            Some((found, record)) => {
                prop_assert!(!over && found == key && record.head == head && record.values == values);
            }
            None => prop_assert!(over),
        }
        // The holder of a key may have sealed malformed content.
        for end in 0..bytes.len() {
            let _ = content::decode(&bytes[..end], first);
        }
    }

    /// Arbitrary bytes never panic the decoder, and accepted content is encoded to bytes that decode to the same
    /// record.
    #[test]
    fn any_content_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let first = Timestamp::from_millis(i64::MIN);
        if let Some((key, record)) = content::decode(&bytes, first) {
            let again = content::encode(key, &record, record.head.secret_since);
            let (found, read) = content::decode(&again, first).unwrap();
            prop_assert!(found == key && read.head == record.head && read.values == record.values);
        }
    }
}
