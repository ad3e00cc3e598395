//! The bytes of an id: two halves that reveal nothing about each other, and none that a visitor can choose.

use std::collections::BTreeSet;
use std::time::Duration;

use session_runtime::record::Record;
use session_runtime::{SessionConfig, SessionKey};
use session_tests::base64url::{decode, encode};
use sha2::{Digest, Sha256};

use crate::app::{App, Browser, patient};

type Half = [u8; 16];

/// Key and secret.
fn halves(browser: &Browser) -> (Half, Half) {
    let bytes = decode(browser.0.as_ref().unwrap()).unwrap();
    (bytes[..16].try_into().unwrap(), bytes[16..].try_into().unwrap())
}

fn browser_with(key: Half, secret: Half) -> Browser {
    Browser(Some(encode(&[key, secret].concat())))
}

async fn visitor(app: &App) -> Browser {
    let mut browser = Browser::default();
    assert_eq!(app.post(&mut browser, "/add/7").await.set_cookie.len(), 1);
    browser
}

/// Stored records that have not expired. A sweep may remove expired ones at any moment.
async fn living(app: &App) -> Vec<(SessionKey, Record)> {
    let (mut all, now) = (app.store.all().await, app.clock.timestamp());
    all.retain(|(_, record)| now < record.head.idle_deadline);
    all
}

/// Values that could be computed from visible data.
fn derived_from(seen: &[u8]) -> Vec<Half> {
    let mut derived = Vec::new();
    let text = encode(seen);
    let hex = seen.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    for start in [&b""[..], b"session-runtime/id/v1:", b"session-runtime", b"secret", &[0], &[1]] {
        for seen in [seen, text.as_bytes(), hex.as_bytes()] {
            for parts in [[start, seen].concat(), [seen, start].concat()] {
                let hash: [u8; 32] = Sha256::digest(&parts).into();
                let twice: [u8; 32] = Sha256::digest(hash).into();
                derived.extend([hash, twice].iter().flat_map(|hash| hash.as_chunks::<16>().0).copied());
            }
        }
    }
    let bytes: Half = seen[..16].try_into().unwrap();
    let number = u128::from_be_bytes(bytes);
    let swapped = u128::from_le_bytes(bytes);
    let numbers = [number, !number, number.wrapping_add(1), number.wrapping_neg(), swapped, !swapped, swapped ^ 1];
    derived.extend(numbers.iter().map(|number| number.to_be_bytes()));
    derived.extend((1..128).map(|bits| number.rotate_left(bits).to_be_bytes()));
    derived
}

/// The key is shown to jobs and admin pages: no usual function of it is the secret, and none relates all pairs.
#[rocket::async_test]
async fn the_key_of_a_session_gives_no_hint_of_its_secret() {
    const VISITORS: usize = 40;
    let app = App::new().await;
    let mut related: [BTreeSet<u128>; 4] = Default::default();
    for _ in 0..VISITORS {
        let (key, secret) = halves(&visitor(&app).await);
        assert!(!derived_from(&key).contains(&secret), "the secret follows from the key");
        assert!(!derived_from(&secret).contains(&key), "the key follows from the secret");
        let (key, secret) = (u128::from_be_bytes(key), u128::from_be_bytes(secret));
        let relations = [secret, key ^ secret, secret.wrapping_sub(key), secret.wrapping_add(key)];
        for (seen, relation) in related.iter_mut().zip(relations) {
            seen.insert(relation);
        }
    }
    assert_eq!(related.map(|seen| seen.len()), [VISITORS; 4]);
}

/// An earlier id and the record reveal nothing about the next id.
#[rocket::async_test]
async fn a_renewed_secret_does_not_follow_from_the_one_before() {
    let app = App::with(patient().renew_every(Duration::from_secs(3600))).await;
    let mut browser = visitor(&app).await;
    let mut seen = BTreeSet::new();
    for path in ["/login/ada", "/renew", "/renew", "/cart", "/cart", "/renew"] {
        let (key, old) = halves(&browser);
        assert!(seen.insert(old), "a secret was used again");
        let stored = app.store.record(app.key(&browser).await).await.unwrap().head;
        if path == "/cart" {
            app.clock.advance(Duration::from_secs(3600));
            app.get(&mut browser, path).await;
        } else {
            app.post(&mut browser, path).await;
        }
        let (same_key, new) = halves(&browser);
        assert!(key == same_key && old != new, "{path}");
        for known in [&old[..], &key, &[key, old].concat(), stored.secret.as_bytes()] {
            assert!(!derived_from(known).contains(&new), "{path}: the new secret follows from known data");
        }
        let differing = (u128::from_be_bytes(old) ^ u128::from_be_bytes(new)).count_ones();
        assert!((20..108).contains(&differing), "{path}: {differing} of 128 bits differ");
    }
}

/// The new id never reaches the browser: the one before it stays good however often it is used, and shows no new one.
#[rocket::async_test]
async fn an_id_stays_good_while_the_next_one_is_lost() {
    let hour = Duration::from_secs(3600);
    let app = App::with(patient().idle(9 * hour).absolute(99 * hour).renew_every(hour)).await;
    let browser = visitor(&app).await;
    app.clock.advance(hour);
    let mut lost = browser.clone();
    assert_eq!(app.get(&mut lost, "/cart").await.set_cookie.len(), 1);
    for minutes in [0, 1, 30, 60, 60, 240] {
        app.clock.advance(Duration::from_secs(60 * minutes));
        let mut old = browser.clone();
        let read = app.get(&mut old, "/cart").await;
        assert_eq!((read.body.as_str(), old), (r#"{"7":1}"#, browser.clone()), "{minutes} minutes later");
    }
    assert_eq!(app.get(&mut lost, "/cart").await.body, r#"{"7":1}"#, "the new one is good as well");
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(app.get(&mut browser.clone(), "/cart").await.body, "{}", "ten seconds after the new one was shown");
}

/// A renewed id is as good for a whole period as the one before it, and a failed answer renews none.
#[rocket::async_test]
async fn an_id_is_renewed_once_in_a_period_and_by_no_failed_answer() {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let app = App::with(patient().idle(9 * hour).absolute(99 * hour).renew_every(hour)).await;
    let mut browser = visitor(&app).await;
    app.clock.advance(hour);
    for _ in 0..2 {
        assert!(app.post(&mut browser, "/visit-and/500").await.set_cookie.is_empty());
        assert_eq!(app.get(&mut browser, "/cart").await.set_cookie.len(), 1);
        for pause in [minute, minute, 57 * minute] {
            app.clock.advance(pause);
            assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty(), "renewed within the hour");
        }
        app.clock.advance(minute);
    }
}

/// B15, B16, C02: of an id that opens nothing neither half becomes part of the new one, whatever the other half is.
#[rocket::async_test]
async fn neither_half_of_an_id_that_opens_nothing_is_adopted() {
    let elsewhere = halves(&visitor(&App::new().await).await);
    let app = App::with(SessionConfig::new().deadline(Duration::from_secs(6)).idle(Duration::from_secs(3600))).await;
    let mut destroyed = visitor(&app).await;
    let gone = destroyed.clone();
    app.post(&mut destroyed, "/destroy").await;
    let expired = visitor(&app).await;
    app.clock.advance(Duration::from_secs(3600));
    let alive = visitor(&app).await;
    let mut member = visitor(&app).await;
    let before_the_login = member.clone();
    app.post(&mut member, "/login/ada").await;
    app.clock.advance(Duration::from_secs(60));
    let (key, secret) = halves(&alive);
    for (presented, shown) in [
        (browser_with(elsewhere.0, elsewhere.1), "never issued here"),
        (browser_with([0; 16], [0; 16]), "chosen by a visitor"),
        (browser_with(key, elsewhere.1), "another secret"),
        (browser_with(key, [0; 16]), "a chosen secret"),
        (browser_with(key, key), "the key twice"),
        (browser_with(secret, key), "the halves swapped"),
        (browser_with(elsewhere.0, secret), "another key"),
        (browser_with(halves(&member).0, secret), "two sessions' halves"),
        (gone, "destroyed"),
        (expired, "expired"),
        (before_the_login, "from before a login"),
    ] {
        let before = living(&app).await;
        let mut browser = presented.clone();
        let read = app.get(&mut browser, "/cart").await;
        assert_eq!((read.body.as_str(), read.set_cookie.len()), ("{}", 0), "{shown}");
        assert_eq!(living(&app).await.len(), before.len(), "{shown}: reading stores nothing");
        let written = app.post(&mut browser, "/add/8").await;
        assert_eq!((written.status, written.set_cookie.len()), (200, 1), "{shown}");
        let (old, new) = (halves(&presented), halves(&browser));
        assert!(new.0 != old.0 && new.0 != old.1, "{shown}: the key was adopted");
        assert!(new.1 != old.1 && new.1 != old.0, "{shown}: the secret was adopted");
        assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"8":1}"#, "{shown}");
        let after = living(&app).await;
        assert_eq!(after.len(), before.len() + 1, "{shown}");
        for (key, record) in before {
            let now = after.iter().find(|(have, _)| *have == key).map(|(_, record)| record);
            let same = now.is_some_and(|now| now.head == record.head && now.values == record.values);
            assert!(same, "{shown}: another record was changed");
        }
    }
    assert_eq!(app.get(&mut alive.clone(), "/cart").await.body, r#"{"7":1}"#);
    assert_eq!(app.get(&mut member, "/whoami").await.body, "ada");
}
