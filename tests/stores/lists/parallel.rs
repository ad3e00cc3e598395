//! Many clients of one session at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use session_runtime::store::MemoryStore;

use super::*;

const NOTICES: u32 = 1_000;
const PUSHING: usize = 16;
const TAKING: usize = 4;

#[derive(Session)]
#[session(key = "flash", version = 1)]
struct Flash {
    #[session(merge = append(max = 1000))]
    notices: Vec<u32>,
    theme: u32,
}

/// Takes all notices; nothing if the save is refused, since they are still there then.
async fn take(sessions: &Sessions, cookie: &str) -> Vec<u32> {
    let visit = sessions.open([cookie]);
    let taken = visit.write::<Flash>().await.unwrap().take_notices();
    let error = visit.finish(200).await.error;
    assert!(error.is_none(), "{error:?}");
    taken
}

async fn push(sessions: &Sessions, cookie: &str, notice: u32) {
    let visit = sessions.open([cookie]);
    visit.write::<Flash>().await.unwrap().notices_mut().push(notice);
    let error = visit.finish(200).await.error;
    assert!(error.is_none(), "{error:?}");
}

/// Returns how often each notice was taken.
pub(super) async fn run(store: impl Store) -> BTreeMap<u32, usize> {
    let config = SessionConfig::new().deadline(Duration::from_secs(60));
    let sessions = Sessions::builder().store(store).config(config).schemas::<Flash>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Flash>().await.unwrap().set_theme(1);
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let (next, pushed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut pushing = tokio::task::JoinSet::new();
    for _ in 0..PUSHING {
        let (sessions, cookie, next, pushed) = (sessions.clone(), cookie.clone(), next.clone(), pushed.clone());
        pushing.spawn(async move {
            while let Ok(notice @ 0..NOTICES) = u32::try_from(next.fetch_add(1, Ordering::SeqCst)) {
                push(&sessions, &cookie, notice).await;
                pushed.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let mut taking = tokio::task::JoinSet::new();
    for _ in 0..TAKING {
        let (sessions, cookie, pushed) = (sessions.clone(), cookie.clone(), pushed.clone());
        taking.spawn(async move {
            let mut all = Vec::new();
            while pushed.load(Ordering::SeqCst) < NOTICES as usize {
                all.extend(take(&sessions, &cookie).await);
                tokio::task::yield_now().await;
            }
            all
        });
    }
    pushing.join_all().await;
    let mut taken: Vec<u32> = taking.join_all().await.concat();
    taken.extend(take(&sessions, &cookie).await);
    assert!(take(&sessions, &cookie).await.is_empty());
    taken.into_iter().fold(BTreeMap::new(), |mut counts, notice| {
        *counts.entry(notice).or_default() += 1;
        counts
    })
}

/// A notice that is taken twice was in the list that two takers had loaded before either of them saved.
pub(super) fn check(store: &str, counts: &BTreeMap<u32, usize>) {
    assert!(counts.keys().copied().eq(0..NOTICES), "{} of {NOTICES} in {store}", counts.len());
    let doubles: usize = counts.values().map(|count| count - 1).sum();
    println!("{store}: {NOTICES} notices of {PUSHING} clients, {doubles} shown again by another of {TAKING} takers");
    assert!(counts.values().all(|count| *count <= TAKING), "a notice came back after it was taken");
}

/// C102: each of 1,000 notices that 16 clients push is taken by one of 4 others, by each of them at most once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_notice_of_many_clients_is_lost() {
    check("memory", &run(MemoryStore::new()).await);
    let folder = tempfile::tempdir().unwrap();
    check("sqlite", &run(SqliteStore::open(folder.path().join("sessions.db")).unwrap()).await);
}

/// C103: requests at once may leave `max` elements and one for each further request; the next write removes the oldest.
#[tokio::test]
async fn the_bound_is_exceeded_by_requests_at_once_alone() {
    let mut trial = Trial::new(MemoryStore::new(), 0).await;
    for request in 0..3 {
        trial.open(request, 0).await;
    }
    for request in 0..3 {
        for _ in 0..MAX + 2 {
            trial.write(request, Edit::Push).await;
        }
    }
    for request in 0..3 {
        trial.finish(request).await;
    }
    assert_eq!(trial.stored.list.len(), 3 * MAX);
    trial.open(0, 0).await;
    trial.write(0, Edit::Push).await;
    trial.finish(0).await;
    assert_eq!(trial.stored.list.len(), MAX);
    // One element each, on a list that is full.
    for request in 0..3 {
        trial.open(request, 0).await;
    }
    for request in 0..3 {
        trial.write(request, Edit::Push).await;
        trial.finish(request).await;
    }
    assert_eq!(trial.stored.list.len(), MAX + 2);
}
