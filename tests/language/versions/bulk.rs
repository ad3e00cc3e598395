//! All stored sessions at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::config::Limits;
use session_runtime::migrate::{OnProgress, Options, Outcome};
use session_runtime::record::{Record, Values};
use session_runtime::store::{Created, MemoryStore, Wanted};
use session_runtime::testing::{Fault, RecordingStore, head_at};
use session_runtime::{ErrorKind, Expiry, SessionConfig, SessionKey, Sessions, SqliteStore, Store};
use session_tests::stores::PATIENT_ADMISSION;
use tokio::time::Instant;

use super::program::{cookie, plant, program, stored, stores, text, with};
use super::shop::{v1, v2, v3};

const V1: &str = r#"{"v":1,"r":1,"w":1,"l":"b7c27214"}"#;

pub(crate) fn small_batches() -> Options {
    Options { batch: 7, ..Options::default() }
}

/// Sessions of the first release, numbered.
pub(crate) async fn fill(store: &Arc<dyn Store>, count: u32) -> Vec<SessionKey> {
    let create = |n: u32| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let texts =
                [("cart", V1.to_owned()), ("cart.coupon", format!("\"C{n}\"")), ("cart.items/7", n.to_string())];
            let values: Values = texts.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
            let mut head = head_at(0);
            let now = Timestamp::from(std::time::SystemTime::now());
            (head.created, head.touched) = (now, now);
            (head.idle_deadline, head.absolute_deadline) =
                (Timestamp::from_millis(i64::MAX / 2), Timestamp::from_millis(i64::MAX / 2));
            // Spread as random keys are.
            let key = SessionKey::from_bytes(
                (u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes(),
            );
            assert!(matches!(store.create(key, Record::new(head, values)).await.unwrap(), Created::Done));
            key
        })
    };
    let mut keys = Vec::new();
    for first in (0..count).step_by(1_000) {
        let tasks: Vec<_> = (first..count.min(first + 1_000)).map(create).collect();
        for task in tasks {
            keys.push(task.await.unwrap());
        }
    }
    keys
}

/// The section that is reserved for the library has no version: it is neither counted nor changed.
#[tokio::test]
async fn a_proof_of_identity_survives_an_upgrade_of_its_session() {
    for (store, _folder) in stores() {
        let keys = fill(&store, 1).await;
        plant(&store, keys[0], "session.proof", r#"{"at":7,"g":0}"#).await;
        let report = program::<v3::Cart>(&store).migrate(small_batches()).await.unwrap();
        assert_eq!(report.to_string(), "cart  version 1  upgraded  1\n1 sessions");
        assert_eq!(text(&store, keys[0], "session.proof").await.unwrap(), r#"{"at":7,"g":0}"#);
    }
}

#[tokio::test]
async fn a_census_counts_and_stores_nothing() {
    for (store, _folder) in stores() {
        let keys = fill(&store, 20).await;
        plant(&store, keys[3], "cart", r#"{"v":9}"#).await;
        plant(&store, keys[4], "cart", "?").await;
        plant(&store, keys[5], "cart.coupon", r#""LAST-YEAR""#).await;
        let before = stored(&store, keys[0]).await;
        let sessions = program::<v3::Cart>(&store);
        let report = sessions.census(small_batches()).await.unwrap();
        assert_eq!(
            report.to_string(),
            "cart  version 0  failed  1\ncart  version 1  to be upgraded  17\ncart  version 1  failed  1\n\
             cart  version 9  newer  1\n20 sessions"
        );
        assert_eq!(stored(&store, keys[0]).await, before);
        assert_eq!(sessions.migrate(small_batches()).await.unwrap().counts, report.counts);
        assert_eq!(text(&store, keys[0], "cart.coupons").await.unwrap(), r#"["C0"]"#);
        assert_eq!(text(&store, keys[5], "cart.coupon").await.unwrap(), r#""LAST-YEAR""#);
        let again = sessions.migrate(small_batches()).await.unwrap();
        assert_eq!((again.count(Outcome::Upgraded), again.counts[&("cart", 3, Outcome::Current)]), (0, 17));
    }
}

#[tokio::test]
async fn deadlines_and_ids_stay() {
    for (store, _folder) in stores() {
        let visit = program::<v1::Cart>(&store).open([]);
        visit.write::<v1::Cart>().await.unwrap().set_coupon("SPRING".to_owned());
        visit.set_expiry(Expiry::After(std::time::Duration::from_secs(3600)));
        let cookie = cookie(visit).await;
        let new = program::<v3::Cart>(&store);
        let visit = new.open([cookie.as_str()]);
        visit.load().await.unwrap();
        let key = visit.key().unwrap();
        let head =
            || async { store.load(key, &Wanted::all(), Timestamp::from_millis(0)).await.unwrap().unwrap().record.head };
        let before = head().await;
        assert_eq!(new.migrate(small_batches()).await.unwrap().count(Outcome::Upgraded), 1);
        let mut after = head().await;
        assert_eq!(after.revision, before.revision + 1);
        after.revision = before.revision;
        assert_eq!(after, before);
        let visit = new.open([cookie.as_str()]);
        assert_eq!(visit.read::<v3::Cart>().await.unwrap().coupons(), &["SPRING"]);
    }
}

#[tokio::test]
async fn a_hold_is_kept() {
    for (store, _folder) in stores() {
        let keys = fill(&store, 10).await;
        let held = with::<v3::Cart>(&store, SessionConfig::new().hold("cart", 2)).unwrap();
        assert_eq!(held.migrate(small_batches()).await.unwrap().count(Outcome::Upgraded), 10);
        assert!(text(&store, keys[0], "cart").await.unwrap().starts_with(r#"{"v":2,"#));
        assert_eq!(text(&store, keys[0], "cart.coupon").await.unwrap(), r#""C0""#);
        assert_eq!(held.migrate(small_batches()).await.unwrap().count(Outcome::Upgraded), 0);
        let key = keys[1];
        assert_eq!(
            program::<v2::Cart>(&store).read::<v2::Cart>(&key).await.unwrap().unwrap().items().get(&7),
            Some(&1)
        );
    }
}

#[tokio::test]
async fn a_session_that_would_be_too_large_is_counted_and_the_walk_goes_on() {
    for (store, _folder) in stores() {
        let keys = fill(&store, 5).await;
        plant(&store, keys[2], "cart.of_others", &format!("\"{}\"", "x".repeat(2_000))).await;
        let config = SessionConfig::new().limits(Limits { record_bytes: 1_000, record_keys: 100 });
        let report = with::<v3::Cart>(&store, config).unwrap().migrate(small_batches()).await.unwrap();
        assert_eq!((report.count(Outcome::Upgraded), report.count(Outcome::Failed)), (4, 1));
        assert_eq!(text(&store, keys[2], "cart.coupon").await.unwrap(), r#""C2""#);
    }
}

#[tokio::test]
async fn progress_is_reported_after_each_batch() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    fill(&store, 20).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = OnProgress::new({
        let seen = Arc::clone(&seen);
        move |progress| seen.lock().unwrap().push(progress)
    });
    program::<v3::Cart>(&store).census(Options { progress, ..small_batches() }).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().map(|progress| progress.sessions).collect::<Vec<_>>(), [7, 14, 20]);
    assert!(seen.iter().is_sorted_by(|a, b| a.share < b.share), "{seen:?}");
    assert_eq!(seen.last().unwrap().to_string(), "100 %, 20 sessions");
}

#[tokio::test]
async fn a_walk_can_begin_after_a_session() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut keys = fill(&store, 10).await;
    keys.sort_unstable_by_key(|key| *key.as_bytes());
    let options = Options { after: Some(keys[6].into()), ..small_batches() };
    assert_eq!(program::<v3::Cart>(&store).migrate(options).await.unwrap().sessions, 3);
}

/// A store in memory with this many sessions of the first release, whose operations take as long as a test asks for.
async fn recorded(count: u32) -> (RecordingStore, Arc<dyn Store>) {
    let recording = RecordingStore::default();
    let store: Arc<dyn Store> = Arc::new(recording.clone());
    fill(&store, count).await;
    (recording, store)
}

const SLOW: Duration = Duration::from_millis(100);

/// One session was saved after the other, so that the round trips of half a million took hours.
#[tokio::test(start_paused = true)]
async fn a_bulk_upgrade_does_not_wait_for_each_save_in_turn() {
    for (in_flight, rounds) in [(1, 32), (16, 2), (0, 32), (1_000, 1)] {
        let (recording, store) = recorded(32).await;
        recording.fail("patch", Fault::Slow(SLOW));
        let started = Instant::now();
        let options = Options { in_flight, ..Options::default() };
        let report = program::<v3::Cart>(&store).migrate(options).await.unwrap();
        assert_eq!((report.sessions, report.count(Outcome::Upgraded)), (32, 32), "{report}");
        let took = started.elapsed();
        assert!((SLOW * rounds..SLOW * rounds + SLOW / 2).contains(&took), "{in_flight} in flight: {took:?}");
    }
}

/// A walk took the store from visitors as long as it lasted. Now it pauses after each page, as long as the page took.
#[tokio::test(start_paused = true)]
async fn a_walk_does_not_take_the_store_from_visitors() {
    let (recording, store) = recorded(32).await;
    recording.fail("scan", Fault::Slow(SLOW));
    let started = Instant::now();
    let report = program::<v3::Cart>(&store).census(Options { batch: 8, ..Options::default() }).await.unwrap();
    let (pages, took) = (u32::try_from(recording.calls("scan")).unwrap(), started.elapsed());
    assert_eq!((report.sessions, pages), (32, 5));
    let least = SLOW * pages + SLOW * (pages - 1);
    assert!((least..least + SLOW).contains(&took), "{took:?}");
}

/// A page that took too long is followed by one of the sessions that fit into a few milliseconds, here the fewest.
#[tokio::test(start_paused = true)]
async fn a_page_is_as_small_as_its_time_asks_for() {
    let (recording, store) = recorded(200).await;
    recording.fail("scan", Fault::Slow(SLOW));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = OnProgress::new({
        let seen = Arc::clone(&seen);
        move |progress| seen.lock().unwrap().push(progress.sessions)
    });
    program::<v3::Cart>(&store).census(Options { progress, ..Options::default() }).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [100, 116, 132, 148, 164, 180, 196, 200]);
}

/// The deadline is that of one page and of one session: a walk of many pages may take longer.
#[tokio::test(start_paused = true)]
async fn a_walk_longer_than_the_deadline_goes_on() {
    let (recording, store) = recorded(100).await;
    recording.fail("scan", Fault::Slow(SLOW));
    recording.fail("patch", Fault::Slow(SLOW));
    let config = SessionConfig::new().deadline(2 * SLOW);
    let report = with::<v3::Cart>(&store, config).unwrap().migrate(small_batches()).await.unwrap();
    assert_eq!((report.sessions, report.count(Outcome::Upgraded)), (100, 100), "{report}");
}

/// Saves in flight were given up when another one failed, and their outcome was unknown.
#[tokio::test(start_paused = true)]
async fn a_failed_save_ends_the_walk_after_those_in_flight() {
    let (recording, store) = recorded(40).await;
    recording.fail("patch", Fault::Slow(SLOW));
    recording.fail_next("patch", Fault::Down);
    let new = program::<v3::Cart>(&store);
    let error = new.migrate(Options::default()).await.unwrap_err();
    assert_eq!((error.kind(), recording.calls("patch")), (ErrorKind::Unavailable, 16));
    recording.recover();
    let report = new.census(Options::default()).await.unwrap();
    assert_eq!((report.count(Outcome::Current), report.count(Outcome::Upgraded)), (15, 25), "{report}");
    assert_eq!(new.migrate(Options::default()).await.unwrap().count(Outcome::Upgraded), 25);
}

/// 100,000 sessions in a file, while a client keeps writing to 100 of them; broken off in the middle and begun again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_migration_beside_writers_loses_nothing() {
    const SESSIONS: u32 = 100_000;
    const BUSY: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::builder(folder.path().join("sessions.db")).admission(PATIENT_ADMISSION);
    let store: Arc<dyn Store> = Arc::new(file.open().unwrap());
    let keys = fill(&store, SESSIONS).await;
    let (old, new) = (program::<v1::Cart>(&store), program::<v3::Cart>(&store));
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (done, keys) = (Arc::clone(&done), keys[..BUSY].to_vec());
        tokio::spawn(async move { write_on(&old, &new, &keys, &done).await })
    };
    let new = program::<v3::Cart>(&store);
    let options = Options { batch: 500, ..small_batches() };
    let mut in_order = keys.clone();
    in_order.sort_unstable_by_key(|key| *key.as_bytes());
    // Dropped where it stands, as by a signal.
    tokio::select! {
        _ = new.migrate(options.clone()) => panic!("it was done before it could be broken off"),
        () = is_upgraded(&store, in_order[5_000]) => {}
    }
    let between = new.census(options.clone()).await.unwrap();
    let left = between.count(Outcome::Upgraded);
    assert!(left > 0 && left < u64::from(SESSIONS), "{between}");
    let report = new.migrate(options.clone()).await.unwrap();
    assert!(report.count(Outcome::Upgraded) <= left, "a finished upgrade is not repeated: {report}");
    done.store(true, Ordering::Relaxed);
    let (added, written) = writer.await.unwrap();
    let report = new.census(options).await.unwrap();
    assert_eq!(report.counts[&("cart", 3, Outcome::Current)], u64::from(SESSIONS));
    assert_eq!(report.counts.len(), 1, "{report}");
    let mut more = 0;
    for (n, key) in (0_u32..).zip(&keys) {
        let cart = new.read::<v3::Cart>(key).await.unwrap().unwrap();
        let coupon = written.get(n as usize).cloned().unwrap_or_else(|| format!("C{n}"));
        assert_eq!(cart.coupons(), &[coupon]);
        more += cart.items()[&7] - n;
    }
    println!("{SESSIONS} sessions, {left} left when broken off, {added} writes meanwhile");
    assert_eq!(more, added);
}

/// Waits for that.
async fn is_upgraded(store: &Arc<dyn Store>, key: SessionKey) {
    while !text(store, key, "cart").await.unwrap().starts_with(r#"{"v":3,"#) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// Writes one session after the other, as the old program for as long as that may, else as the new one. Gives the number
/// of rounds, and what it wrote last to each.
async fn write_on(old: &Sessions, new: &Sessions, keys: &[SessionKey], done: &AtomicBool) -> (u32, Vec<String>) {
    let mut added = 0;
    let mut coupons: Vec<String> = (0..keys.len()).map(|n| format!("C{n}")).collect();
    for (at, key) in keys.iter().enumerate().cycle() {
        if done.load(Ordering::Relaxed) && added >= 1_000 {
            break;
        }
        let coupon = format!("W{added}");
        let by_old = old.update::<v1::Cart, _>(key, |cart| {
            *cart.items_mut().entry(7).or_default() += 1;
            cart.set_coupon(coupon.clone());
        });
        let updated = match by_old.await {
            Err(error) if error.kind() == ErrorKind::Newer => {
                let by_new = new.update::<v3::Cart, _>(key, |cart| {
                    *cart.items_mut().entry(7).or_default() += 1;
                    assert_eq!(cart.coupons(), &coupons[at..=at], "the last written coupons");
                    cart.set_coupons(vec![coupon.clone()]);
                });
                by_new.await
            }
            updated => updated,
        };
        assert!(updated.unwrap().is_some());
        added += 1;
        coupons[at] = coupon;
    }
    (added, coupons)
}
