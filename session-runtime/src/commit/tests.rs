use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::id::{Random, RandomError, SessionId};
use crate::{ErrorKind, MemoryStore, Session, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
    #[session(redact)]
    card: String,
    #[session(transient)]
    scratch: u8,
}

fn sessions(store: &Arc<MemoryStore>, random: Random) -> Sessions {
    Sessions::builder().store(store.clone()).schemas::<Cart>().random(random).build().unwrap()
}

async fn first_write(sessions: &Sessions, coupon: &str) -> Result<SessionId, ErrorKind> {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon(coupon.into());
    let finished = visit.finish(200).await;
    match finished.error {
        Some(error) => Err(error.kind()),
        None => Ok(visit.state().standing.live().unwrap().id),
    }
}

/// C16, 19: an id that is taken already is drawn anew, and the record under it is left alone.
#[tokio::test]
async fn a_taken_id_is_drawn_anew() {
    static DRAWN: AtomicU8 = AtomicU8::new(0);
    // Each number is drawn four times: the second session meets the first one's id three times.
    let random = Random(|bytes| {
        bytes.fill(DRAWN.fetch_add(1, Ordering::SeqCst) / 4);
        Ok(())
    });
    let store = Arc::new(MemoryStore::new());
    let sessions = sessions(&store, random);
    let first = first_write(&sessions, "FIRST").await.unwrap();
    let second = first_write(&sessions, "SECOND").await.unwrap();
    assert_ne!(first.key, second.key);
    assert_eq!(store.len(), 2);
    let kept = sessions.read::<Cart>(&first.key).await.unwrap().unwrap();
    assert_eq!(kept.coupon().as_deref(), Some("FIRST"));
}

/// C16: a source that repeats for ever is an error, not an endless loop and not an overwrite.
#[tokio::test]
async fn an_id_that_is_always_taken_is_an_error() {
    let random = Random(|bytes| {
        bytes.fill(9);
        Ok(())
    });
    let store = Arc::new(MemoryStore::new());
    let sessions = sessions(&store, random);
    let first = first_write(&sessions, "FIRST").await.unwrap();
    assert_eq!(first_write(&sessions, "SECOND").await.unwrap_err(), ErrorKind::Unavailable);
    let kept = sessions.read::<Cart>(&first.key).await.unwrap().unwrap();
    assert_eq!((kept.coupon().as_deref(), store.len()), (Some("FIRST"), 1));
}

/// C16b: no random bytes, no session; nothing else is used in their place.
#[tokio::test]
async fn without_random_bytes_there_is_no_session() {
    let store = Arc::new(MemoryStore::new());
    let sessions = sessions(&store, Random(|_| Err(RandomError)));
    assert_eq!(first_write(&sessions, "FIRST").await.unwrap_err(), ErrorKind::Unavailable);
    assert!(store.is_empty());
}

/// The writable view shows its fields, but for those marked `redact` and those that are not stored.
#[tokio::test]
async fn debug_of_a_guard_redacts() {
    let sessions = sessions(&Arc::new(MemoryStore::new()), Random::default());
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("SPRING".into());
    cart.set_card("4111".into());
    *cart.scratch_mut() = 7;
    let shown = format!("{cart:?}");
    assert!(shown.contains(r#"coupon: "SPRING""#), "{shown}");
    assert!(!shown.contains("4111") && shown.contains("card: …") && shown.contains("scratch: …"), "{shown}");
}

/// C57: what can be printed of a session names neither id, nor key, nor value.
#[tokio::test]
async fn debug_shows_no_secret() {
    let sessions = sessions(&Arc::new(MemoryStore::new()), Random::default());
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("SPRING".into());
    let finished = visit.finish(200).await;
    let live = visit.state().standing.clone();
    let live = live.live().unwrap();
    let (id, record) = (live.id, crate::record::Record { head: live.head.clone(), values: (live.values).clone() });
    let shown = format!("{sessions:?} {visit:?} {finished:?} {id:?} {record:#?} {:?}", visit.key());
    for secret in [id.to_cookie(), id.key.to_string(), "SPRING".into()] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}
