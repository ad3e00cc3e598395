//! Ids that reach browsers: each byte comes from the random source, and none is used for two ids.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Cart;
use crate::id::SessionId;
use crate::id::tests::{bytes, id_of, is_used_up, source};
use crate::testing::ManualClock;
use crate::{MemoryStore, Session, SessionConfig, Sessions, Visit};

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
}

const HOUR: Duration = Duration::from_secs(3600);

/// Creates a session whose id consists of the bytes 0 to 31.
async fn visitor() -> (Sessions, ManualClock, SessionId) {
    let (clock, config) = (ManualClock::new(), SessionConfig::new().idle(9 * HOUR).renew_every(HOUR));
    let builder = Sessions::builder().store(Arc::new(MemoryStore::new())).config(config).clock(clock.clone());
    let sessions = builder.schemas::<(Cart, Auth)>().random(source(0..32)).build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("FIRST".into());
    let id = sent(&sessions, visit).await.unwrap();
    (sessions, clock, id)
}

fn open(sessions: &Sessions, id: SessionId) -> Visit {
    sessions.open([format!("{}={}", sessions.cookie_name(), id.to_cookie()).as_str()])
}

/// Returns the id in the cookie of the response.
async fn sent(sessions: &Sessions, visit: Visit) -> Option<SessionId> {
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none());
    let header = finished.cookie.header()?.to_owned();
    let value = header.strip_prefix(sessions.cookie_name()).unwrap().split_once(';').unwrap().0;
    Some(SessionId::parse(value.strip_prefix('=').unwrap()).unwrap())
}

fn parts(id: SessionId) -> (BTreeSet<u8>, BTreeSet<u8>) {
    let cookie = bytes(&id);
    (cookie[..16].iter().copied().collect(), cookie[16..].iter().copied().collect())
}

fn set(bytes: std::ops::Range<u8>) -> BTreeSet<u8> {
    bytes.collect()
}

/// A first save sends an id that holds the bytes of the source unchanged.
#[tokio::test]
async fn a_first_cookie_holds_the_bytes_of_the_source() {
    let (_, _, id) = visitor().await;
    let (key, secret) = parts(id);
    assert_eq!(&key | &secret, set(0..32));
    assert!(is_used_up());
}

/// A login, an explicit renewal and a periodic renewal keep the key, and draw all bytes of the secret again.
#[tokio::test]
async fn every_renewed_secret_is_drawn_anew() {
    for way in ["login", "renew", "periodic"] {
        let (sessions, clock, first) = visitor().await;
        source(100..116);
        if way == "periodic" {
            clock.advance(HOUR);
        }
        let visit = open(&sessions, first);
        match way {
            "login" => visit.write::<Auth>().await.unwrap().set_user("ada".into()),
            "renew" => visit.renew(),
            _ => visit.load().await.unwrap(),
        }
        let renewed = sent(&sessions, visit).await.unwrap();
        assert_eq!(parts(renewed), (parts(first).0, set(100..116)), "{way}");
        assert!(is_used_up(), "{way}");
        let visit = open(&sessions, renewed);
        assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("FIRST"), "{way}");
    }
}

/// A write without a session uses no byte of the presented cookie for the new id.
#[tokio::test]
async fn no_byte_of_an_unknown_id_gets_into_the_new_one() {
    for knows_the_key in [false, true] {
        let (sessions, _, known) = visitor().await;
        let unknown = SessionId::new(source(200..232)).unwrap();
        let presented = if knows_the_key { id_of(known, [200; 16]) } else { unknown };
        source(100..132);
        let visit = open(&sessions, presented);
        visit.write::<Cart>().await.unwrap().set_coupon("SECOND".into());
        let (key, secret) = parts(sent(&sessions, visit).await.unwrap());
        assert_eq!(&key | &secret, set(100..132));
    }
}
