mod ids;
mod overtaken;

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

fn sessions<S: crate::Store>(store: &Arc<S>, random: Random) -> Sessions {
    Sessions::builder().store(store.clone()).schemas::<Cart>().random(random).build().unwrap()
}

async fn first_write(sessions: &Sessions, coupon: &str) -> Result<SessionId, ErrorKind> {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon(coupon.into());
    let finished = visit.finish(200).await;
    match finished.error {
        Some(error) => Err(error.kind()),
        None => Ok(visit.state().session_status.live().unwrap().id),
    }
}

/// B19, C16: a taken id is drawn again, and the record under it stays unchanged.
#[tokio::test]
async fn a_taken_id_is_drawn_anew() {
    static DRAWN: AtomicU8 = AtomicU8::new(0);
    // Each number is drawn four times, so the second session draws the id of the first one three times.
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

/// Creates sessions on two nodes at once, many times, with random bytes that repeat. Each session must get a record of
/// its own, with its own values.
async fn repeating_ids_overwrite_nothing(stores: [Arc<impl crate::Store>; 2], random: Random) {
    let nodes = stores.map(|store| Arc::new(sessions(&store, random)));
    let mut started = Vec::new();
    for round in 0..40 {
        let both = [0, 1].map(|node| {
            let (sessions, coupon) = (Arc::clone(&nodes[node]), format!("{round} of {node}"));
            tokio::spawn(async move { (first_write(&sessions, &coupon).await.unwrap().key, coupon) })
        });
        for node in both {
            started.push(node.await.unwrap());
        }
    }
    for (key, coupon) in &started {
        for node in &nodes {
            let kept = node.read::<Cart>(key).await.unwrap().unwrap();
            assert_eq!(kept.coupon().as_ref(), Some(coupon));
        }
    }
}

/// Draws each number twice, so that both nodes draw the same id.
fn every_number_twice(drawn: &AtomicU8, bytes: &mut [u8]) {
    bytes.fill(drawn.fetch_add(1, Ordering::SeqCst) / 2);
}

/// C16, memory: if two nodes draw one id, one of them gets it, and the other draws again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_repeat_on_two_nodes_overwrite_nothing_in_memory() {
    static DRAWN: AtomicU8 = AtomicU8::new(0);
    let random = Random(|bytes| {
        every_number_twice(&DRAWN, bytes);
        Ok(())
    });
    let store = Arc::new(MemoryStore::new());
    repeating_ids_overwrite_nothing([store.clone(), store.clone()], random).await;
    assert_eq!(store.len(), 80);
}

/// C16, `SQLite`: the same with two stores on one file.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_repeat_on_two_nodes_overwrite_nothing_in_sqlite() {
    static DRAWN: AtomicU8 = AtomicU8::new(0);
    let random = Random(|bytes| {
        every_number_twice(&DRAWN, bytes);
        Ok(())
    });
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(crate::SqliteStore::open(folder.path().join("sessions.db")).unwrap());
    repeating_ids_overwrite_nothing([open(), open()], random).await;
}

/// C16: a source that repeats forever causes an error, neither an endless loop nor an overwrite.
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

/// C16b: without random bytes no session is created, and no other source is used.
#[tokio::test]
async fn without_random_bytes_there_is_no_session() {
    let store = Arc::new(MemoryStore::new());
    let sessions = sessions(&store, Random(|_| Err(RandomError)));
    assert_eq!(first_write(&sessions, "FIRST").await.unwrap_err(), ErrorKind::Unavailable);
    assert!(store.is_empty());
}

/// C16b: without random bytes the id is not renewed, and no change is stored under the old one.
#[tokio::test]
async fn without_random_bytes_there_is_no_new_id() {
    let store = Arc::new(MemoryStore::new());
    let id = first_write(&sessions(&store, Random::default()), "FIRST").await.unwrap();
    let sessions = sessions(&store, Random(|_| Err(RandomError)));
    let visit = sessions.open([format!("{}={}", sessions.cookie_name(), id.to_cookie()).as_str()]);
    visit.write::<Cart>().await.unwrap().set_coupon("SECOND".into());
    visit.renew();
    let finished = visit.finish(200).await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(finished.cookie, crate::cookie::CookieCommand::Keep);
    let kept = sessions.read::<Cart>(&id.key).await.unwrap().unwrap();
    assert_eq!(kept.coupon().as_deref(), Some("FIRST"));
}

/// C57: the `Debug` output of a writable guard shows its fields, except those that are marked `redact` or not stored.
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

/// C57: a map that is stored entry by entry is shown as one object, in the order of its keys.
#[tokio::test]
async fn debug_of_a_guard_shows_entries() {
    #[derive(Session)]
    #[session(key = "basket", version = 1)]
    struct Basket {
        #[session(merge = keys)]
        items: std::collections::HashMap<u8, Option<u8>>,
    }
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Basket>().build().unwrap();
    let visit = sessions.open([]);
    let mut basket = visit.write::<Basket>().await.unwrap();
    basket.set_items([(7, Some(2)), (3, None)].into());
    let shown = format!("{basket:?}");
    assert!(shown.contains(r#"items: {"3":null,"7":2}"#), "{shown}");
}

/// C57: the `Debug` output of a session contains neither its id, nor its key, nor a value.
#[tokio::test]
async fn debug_shows_no_secret() {
    let sessions = sessions(&Arc::new(MemoryStore::new()), Random::default());
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("SPRING".into());
    let finished = visit.finish(200).await;
    let live = visit.state().session_status.clone();
    let live = live.live().unwrap();
    let (id, record) =
        (live.id, crate::record::Record { head: live.head.clone(), values: live.values.stored().clone() });
    let shown = format!("{sessions:?} {visit:?} {finished:?} {id:?} {record:#?} {:?}", visit.key());
    for secret in [id.to_cookie(), id.key.to_string(), "SPRING".into()] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}
