//! One request, and several of one session, in thousands of interleavings: no change is lost, and no task waits for
//! ever.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p session-runtime --no-default-features --test shuttle`; `tests/run` does it.
//! A failure prints a schedule that `shuttle::replay` repeats.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError, Wanted};
use session_runtime::{ErrorKind, MemoryStore, Session, SessionConfig, SessionKey, Sessions, Store, Visit};
use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

/// Schedules of each kind of scheduler, for each test.
const SCHEDULES: usize = 1_100;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    /// Always written together with the next, to the same number.
    left: u32,
    right: u32,
    #[session(merge = sum)]
    visits: u32,
    #[session(merge = keys(sum))]
    items: BTreeMap<u8, u32>,
}

#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    theme: u32,
    scale: f64,
}

/// A store that lets other tasks run before and after each call.
struct YieldingStore(MemoryStore);

#[session_runtime::async_trait]
impl Store for YieldingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        yield_now().await;
        let created = self.0.create(key, record).await;
        yield_now().await;
        created
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        yield_now().await;
        let loaded = self.0.load(key, wanted, now).await;
        yield_now().await;
        loaded
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        yield_now().await;
        let patched = self.0.patch(key, patch, now).await;
        yield_now().await;
        patched
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        yield_now().await;
        self.0.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.sweep(limit, now).await
    }
}

fn explore<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    try_all(RandomScheduler::new(SCHEDULES), test);
    try_all(PctScheduler::new(3, SCHEDULES), test);
}

fn try_all<F: Future<Output = ()> + 'static>(scheduler: impl Scheduler + 'static, test: fn() -> F) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1024 * 1024;
    let tried = shuttle::Runner::new(scheduler, config).run(move || block_on(test()));
    println!("{tried} schedules");
}

fn sessions() -> Sessions {
    let config = SessionConfig::new().deadline(Duration::from_secs(3600));
    let sessions = Sessions::builder().store(YieldingStore(MemoryStore::new())).config(config);
    sessions.schemas::<(Cart, Prefs)>().build().unwrap()
}

/// A session with something in it, and its cookie.
async fn begun(sessions: &Sessions) -> (SessionKey, String) {
    let visit = sessions.open([]);
    visit.write::<Prefs>().await.unwrap().set_theme(1);
    let finished = visit.finish(200).await;
    let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    (visit.key().unwrap(), cookie)
}

async fn all<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    // All of them run before the first is awaited.
    let tasks: Vec<_> = tasks.into_iter().collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

/// Guards of two schemas, a save in flight and readers, all in one request.
async fn parts_of_one_request() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let visit = Arc::new(sessions.open([&*cookie]));
    let cart = {
        let visit = visit.clone();
        spawn(async move {
            for number in 1..3 {
                let mut cart = visit.write::<Cart>().await.unwrap();
                cart.set_left(number);
                yield_now().await;
                cart.set_right(number);
                if number == 1 {
                    cart.save().await.unwrap();
                }
            }
        })
    };
    let prefs = {
        let visit = visit.clone();
        spawn(async move {
            visit.write::<Prefs>().await.unwrap().set_theme(7);
            let mut prefs = visit.write::<Prefs>().await.unwrap();
            assert_eq!(*prefs.theme(), 7);
            prefs.save().await.unwrap();
            assert_eq!(*prefs.theme(), 7);
        })
    };
    let reader = {
        let visit = visit.clone();
        spawn(async move {
            let mut last = 0;
            for _ in 0..3 {
                let cart = visit.read::<Cart>().await.unwrap();
                assert_eq!(cart.left(), cart.right(), "a snapshot is of one moment");
                assert!(*cart.left() >= last, "a later snapshot is not older");
                last = *cart.left();
            }
        })
    };
    all([cart, prefs, reader]).await;
    let cart = visit.read::<Cart>().await.unwrap();
    assert_eq!((*cart.left(), *cart.right()), (2, 2), "a later read sees the write");
    assert!(visit.finish(200).await.error.is_none());
    let cart = sessions.read::<Cart>(&key).await.unwrap().unwrap();
    let prefs = sessions.read::<Prefs>(&key).await.unwrap().unwrap();
    assert_eq!((*cart.left(), *cart.right(), *prefs.theme()), (2, 2, 7));
}

/// Reading while a guard ends leaves nothing behind that a later reader would take for the newest.
async fn a_reader_beside_a_writer() {
    let sessions = sessions();
    let visit = Arc::new(sessions.open([]));
    let writer = {
        let visit = visit.clone();
        spawn(async move { visit.write::<Cart>().await.unwrap().set_left(1) })
    };
    let reader = {
        let visit = visit.clone();
        spawn(async move {
            assert!(*visit.read::<Cart>().await.unwrap().left() < 2);
        })
    };
    all([writer, reader]).await;
    assert_eq!(*visit.read::<Cart>().await.unwrap().left(), 1);
}

/// One task has the guard. The others get an error, and no change is lost.
async fn a_guard_is_exclusive() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let visit = Arc::new(sessions.open([&*cookie]));
    let inside = Arc::new(AtomicUsize::new(0));
    let task = |_| {
        let (visit, inside) = (visit.clone(), inside.clone());
        spawn(async move {
            match visit.write::<Cart>().await {
                Ok(mut cart) => {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two guards at once");
                    *cart.left_mut() += 1;
                    yield_now().await;
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    1
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::GuardOpen);
                    0
                }
            }
        })
    };
    let written: u32 = all((0..3).map(task)).await.into_iter().sum();
    assert!(written > 0);
    assert!(visit.finish(200).await.error.is_none());
    let cart = sessions.read::<Cart>(&key).await.unwrap().unwrap();
    assert_eq!(*cart.left(), written);
}

/// Three requests count in one session; those that conflict queue.
async fn requests_of_one_session() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let task = |item: u8| {
        let visit = sessions.open([&*cookie]);
        spawn(async move {
            {
                let mut cart = visit.write::<Cart>().await.unwrap();
                *cart.visits_mut() += 1;
                *cart.items_mut().entry(item % 2).or_default() += 1;
            }
            assert!(visit.finish(200).await.error.is_none());
        })
    };
    all((0..3).map(task)).await;
    let cart = sessions.read::<Cart>(&key).await.unwrap().unwrap();
    assert_eq!((*cart.visits(), cart.items().clone()), (3, BTreeMap::from([(0, 2), (1, 1)])));
}

/// `update_now` in two requests, and a job: each sees what the others stored.
async fn updates_of_a_plain_field() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let request = |_| {
        let visit: Visit = sessions.open([&*cookie]);
        spawn(async move {
            let mut cart = visit.write::<Cart>().await.unwrap();
            cart.update_now(|cart| *cart.left_mut() += 1).await.unwrap();
            drop(cart);
            assert!(visit.finish(200).await.error.is_none());
        })
    };
    let job = {
        let sessions = sessions.clone();
        spawn(async move {
            sessions.update::<Cart, _>(&key, |cart| *cart.left_mut() += 1).await.unwrap().unwrap();
        })
    };
    all((0..2).map(request).chain([job])).await;
    assert_eq!(*sessions.read::<Cart>(&key).await.unwrap().unwrap().left(), 3);
}

/// However a logout and a write meet, the session is gone.
async fn a_logout_wins() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let logout = sessions.open([&*cookie]);
    let write = sessions.open([&*cookie]);
    let logout = spawn(async move {
        logout.destroy();
        assert!(logout.finish(200).await.error.is_none());
    });
    let write = spawn(async move {
        *write.write::<Cart>().await.unwrap().visits_mut() += 1;
        let finished = write.finish(200).await;
        assert!(finished.error.is_none());
        finished.cookie.header().map(str::to_owned)
    });
    logout.await.unwrap();
    let new = write.await.unwrap();
    assert!(sessions.read::<Cart>(&key).await.unwrap().is_none());
    assert!(new.is_none_or(|new| !new.starts_with(&cookie)), "the old id comes back");
}

/// A task that writes and then reads sees the write, with any other reader.
async fn a_writer_reads() {
    let visit = Arc::new(sessions().open([]));
    let reader = {
        let visit = visit.clone();
        spawn(async move { assert!(visit.read::<Cart>().await.is_ok()) })
    };
    let writer = {
        let visit = visit.clone();
        spawn(async move {
            visit.write::<Cart>().await.unwrap().set_left(1);
            assert_eq!(*visit.read::<Cart>().await.unwrap().left(), 1, "a guard asked for after a write shows it");
        })
    };
    all([reader, writer]).await;
}

/// A guard of another schema ends while an `update_now` runs, and runs again.
async fn a_guard_beside_an_update() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let visit = Arc::new(sessions.open([&*cookie]));
    let update = {
        let visit = visit.clone();
        spawn(async move {
            let mut cart = visit.write::<Cart>().await.unwrap();
            cart.update_now(|cart| *cart.left_mut() += 1).await.unwrap();
        })
    };
    let prefs = {
        let visit = visit.clone();
        spawn(async move { visit.write::<Prefs>().await.unwrap().set_theme(7) })
    };
    let job = {
        let sessions = sessions.clone();
        spawn(async move { assert!(sessions.update::<Cart, _>(&key, |cart| *cart.left_mut() += 1).await.is_ok()) })
    };
    all([update, prefs, job]).await;
    assert!(visit.finish(200).await.error.is_none());
    assert_eq!(*sessions.read::<Cart>(&key).await.unwrap().unwrap().left(), 2);
    assert_eq!(*sessions.read::<Prefs>(&key).await.unwrap().unwrap().theme(), 7, "the other guard's change is lost");
}

/// A guard that ends while the request does: its change is stored, or the answer is an error.
async fn a_guard_beside_the_end() {
    let sessions = sessions();
    let (key, cookie) = begun(&sessions).await;
    let visit = Arc::new(sessions.open([&*cookie]));
    let writer = {
        let visit = visit.clone();
        spawn(async move { visit.write::<Prefs>().await.map(|mut prefs| prefs.set_theme(7)).is_ok() })
    };
    let end = {
        let visit = visit.clone();
        spawn(async move { visit.finish(200).await.error.is_none() })
    };
    let done = all([writer, end]).await;
    let stored = *sessions.read::<Prefs>(&key).await.unwrap().unwrap().theme() == 7;
    assert!(!done[0] || stored || !done[1], "a success answer, and the write is lost");
}

/// A logout and a renewal beside an `update_now` whose value cannot be stored.
async fn an_end_beside_an_update() {
    for logout in [false, true] {
        let sessions = sessions();
        let (key, cookie) = begun(&sessions).await;
        let visit = Arc::new(sessions.open([&*cookie]));
        let update = {
            let visit = visit.clone();
            spawn(async move {
                if let Ok(mut prefs) = visit.write::<Prefs>().await {
                    drop(prefs.update_now(|prefs| prefs.set_scale(f64::NAN)).await);
                }
            })
        };
        let end = {
            let visit = visit.clone();
            spawn(async move { if logout { visit.destroy() } else { visit.renew() } })
        };
        all([update, end]).await;
        visit.finish(200).await;
        let old = sessions.open([&*cookie]);
        let opens = old.load().await.is_ok() && old.key().is_some();
        let lives = sessions.read::<Prefs>(&key).await.unwrap().is_some();
        assert!(!opens && lives != logout, "logout {logout}: the old id opens {opens}, the record is there {lives}");
    }
}

#[test]
fn parts_of_one_request_lose_nothing() {
    explore(parts_of_one_request);
}

#[test]
fn a_written_value_is_read_afterwards() {
    explore(a_reader_beside_a_writer);
}

#[test]
fn two_guards_of_a_schema_never_meet() {
    explore(a_guard_is_exclusive);
}

#[test]
fn requests_that_conflict_lose_nothing() {
    explore(requests_of_one_session);
}

#[test]
fn updates_see_each_other() {
    explore(updates_of_a_plain_field);
}

#[test]
fn a_logout_wins_in_every_order() {
    explore(a_logout_wins);
}

#[test]
fn a_writer_reads_its_own_writes() {
    explore(a_writer_reads);
}

#[test]
fn a_guard_beside_an_update_loses_nothing() {
    explore(a_guard_beside_an_update);
}

#[test]
fn a_guard_beside_the_end_is_stored_or_reported() {
    explore(a_guard_beside_the_end);
}

#[test]
fn a_logout_and_a_renewal_beside_an_update_take_effect() {
    explore(an_end_beside_an_update);
}
