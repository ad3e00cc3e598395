//! Lookups by an indexed field: lists, counts and ends of the sessions of a user, over every store.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use session_runtime::clock::{SystemClock, Timestamp};
use session_runtime::patch::{NewSecret, Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Capability, Created, Loaded, SWEEP_GRACE, StoreError, Wanted};
use session_runtime::testing::{Fault, ManualClock, RecordingStore};
use session_runtime::{
    CachedStore, CookieStore, Ended, ErrorKind, Lookup, MemoryStore, PostgresStore, RedisStore, Session, SessionConfig,
    SessionInfo, SessionKey, Sessions, SessionsBuilder, SqliteStore, Store,
};
use session_tests::lookups::{Auth, Browser, Cart, ClockAhead, node, races, visitor};
use session_tests::servers::cluster::Cluster;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use session_tests::stores::PATIENT_ADMISSION;

const MINUTE: Duration = Duration::from_secs(60);

fn in_memory() -> (RecordingStore, ManualClock, Sessions) {
    let (store, clock) = (RecordingStore::new(MemoryStore::new()), ManualClock::new());
    let sessions = node(store.clone(), clock.clone());
    (store, clock, sessions)
}

/// Logs a user in several times, a minute apart. Returns the keys, the newest login first.
async fn logins(sessions: &Sessions, clock: &ManualClock, user: &str, number: usize) -> Vec<SessionKey> {
    let mut keys = Vec::new();
    for _ in 0..number {
        clock.advance(MINUTE);
        keys.insert(0, visitor(sessions, user).await.1);
    }
    keys
}

async fn listed(sessions: &Sessions, lookup: Lookup) -> Vec<SessionKey> {
    sessions.list(lookup).await.unwrap().iter().map(SessionInfo::key).collect()
}

/// B84: the sessions of one user, and of no other.
#[tokio::test]
async fn a_list_has_the_newest_login_first() {
    let (_, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 4).await;
    logins(&sessions, &clock, "bob", 2).await;
    assert_eq!(listed(&sessions, Auth::by_user("ann")).await, keys);
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 4);
    assert_eq!(listed(&sessions, Auth::by_user("cleo")).await, []);
    let limited = sessions.list(Auth::by_user("ann")).limit(2).await.unwrap();
    assert_eq!(limited.iter().map(SessionInfo::key).collect::<Vec<_>>(), keys[..2]);
    assert_eq!(listed(&sessions, Auth::by_user("ann").except(&keys[1])).await, [keys[0], keys[2], keys[3]]);
    assert_eq!(listed(&sessions, Auth::by_user("ann").except_newest(3)).await, keys[3..]);
    assert_eq!(sessions.count(Auth::by_user("ann").except_newest(3).except(&keys[3])).await.unwrap(), 0);
    assert_eq!(sessions.list(Auth::by_user("ann").except(&keys[0])).limit(1).await.unwrap()[0].key(), keys[1]);
}

#[tokio::test]
async fn logins_at_one_moment_are_in_the_order_of_their_keys() {
    let (_, _, sessions) = in_memory();
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(visitor(&sessions, "ann").await.1);
    }
    keys.sort_unstable();
    assert_eq!(listed(&sessions, Auth::by_user("ann")).await, keys);
}

#[tokio::test]
async fn a_list_shows_the_times_of_a_session() {
    let (_, clock, sessions) = in_memory();
    let start = clock.timestamp();
    let mut browser = Browser::default();
    browser.add(&sessions).await.unwrap();
    clock.advance(MINUTE);
    browser.log_in(&sessions, "ann").await.unwrap();
    clock.advance(MINUTE * 60 * 48);
    browser.add(&sessions).await.unwrap();
    let info = sessions.list(Auth::by_user("ann")).await.unwrap().remove(0);
    assert_eq!(info.created_at(), SystemTime::from(start));
    assert_eq!(info.authenticated_at(), Some(SystemTime::from(start.after(MINUTE))));
    assert_eq!(info.last_used_at(), SystemTime::from(clock.timestamp()));
    assert_eq!(info.expires_at(), SystemTime::from(clock.timestamp().after(MINUTE * 60 * 24 * 14)));
    assert!(!info.is_unreadable());
    browser.renew(&sessions).await.unwrap();
    let info = sessions.list(Auth::by_user("ann")).await.unwrap().remove(0);
    assert_eq!(info.authenticated_at(), None, "the proof is of an earlier generation");
}

#[tokio::test]
async fn a_remembered_login_is_listed_without_a_proof() {
    let (_, _, sessions) = in_memory();
    let visit = Browser::default().open(&sessions);
    visit.remembered();
    visit.write::<Auth>().await.unwrap().set_user("ann".into());
    Browser::default().close(&visit).await.unwrap();
    assert_eq!(sessions.list(Auth::by_user("ann")).await.unwrap()[0].authenticated_at(), None);
}

/// A value that counts for a while.
#[derive(Session)]
#[session(key = "invitation", version = 1)]
struct Invitation {
    #[session(index, expires_after = "10m")]
    code: Option<String>,
}

#[tokio::test]
async fn a_value_is_found_until_it_expires() {
    let clock = ManualClock::new();
    let sessions = Sessions::builder().store(MemoryStore::new()).clock(clock.clone()).schemas::<Invitation>();
    let sessions = sessions.build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Invitation>().await.unwrap().set_code("SPRING".to_owned());
    assert!(visit.finish(200).await.error.is_none());
    clock.advance(Duration::from_millis(599_999));
    assert_eq!(sessions.count(Invitation::by_code("SPRING")).await.unwrap(), 1);
    clock.advance(Duration::from_millis(1));
    assert_eq!(sessions.count(Invitation::by_code("SPRING")).await.unwrap(), 0);
    assert_eq!(sessions.destroy_all(Invitation::by_code("SPRING")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_that_a_lookup_ends_is_over_at_once_for_its_watchers() {
    let (_, _, sessions) = in_memory();
    let (browser, _) = visitor(&sessions, "ann").await;
    let visit = browser.open(&sessions);
    visit.load().await.unwrap();
    let mut ended = visit.ended();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut ended).poll(&mut context), Poll::Pending);
    sessions.destroy_all(Auth::by_user("ann")).await.unwrap();
    assert_eq!(Pin::new(&mut ended).poll(&mut context), Poll::Ready(Ended::Over));
}

/// B85: all sessions of a user but one end, then that one too.
#[tokio::test]
async fn a_logout_everywhere_else_leaves_this_session() {
    let (_, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 3).await;
    let bob = logins(&sessions, &clock, "bob", 1).await[0];
    assert_eq!(sessions.destroy_all(Auth::by_user("ann").except(&keys[2])).await.unwrap(), 2);
    assert_eq!(listed(&sessions, Auth::by_user("ann")).await, keys[2..]);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 1);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 0);
    assert!(sessions.read::<Auth>(&bob).await.unwrap().is_some());
}

/// C54: the oldest logins beyond a number end.
#[tokio::test]
async fn at_most_some_sessions_stay() {
    let (_, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 7).await;
    assert_eq!(sessions.destroy_all(Auth::by_user("ann").except_newest(5)).await.unwrap(), 2);
    assert_eq!(listed(&sessions, Auth::by_user("ann")).await, keys[..5]);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann").except_newest(5)).await.unwrap(), 0);
}

/// 1,200 sessions are three pages.
#[tokio::test]
async fn a_lookup_goes_through_all_pages() {
    let (store, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 1_200).await;
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 1_200);
    assert_eq!(listed(&sessions, Auth::by_user("ann").except_newest(1_199)).await, keys[1_199..]);
    store.take_calls();
    assert_eq!(sessions.destroy_all(Auth::by_user("ann").except_newest(1)).await.unwrap(), 1_199);
    assert_eq!(store.calls("find"), 3);
    assert_eq!(listed(&sessions, Auth::by_user("ann")).await, keys[..1]);
}

/// B84: neither before a login nor after a logout.
#[tokio::test]
async fn a_field_without_a_value_is_not_found() {
    let (_, _, sessions) = in_memory();
    let mut browser = Browser::default();
    browser.add(&sessions).await.unwrap();
    browser.log_in(&sessions, "ann").await.unwrap();
    let visit = browser.open(&sessions);
    visit.write::<Auth>().await.unwrap().clear_user();
    browser.close(&visit).await.unwrap();
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 0);
    assert_eq!(sessions.count(Auth::by_tenant(0)).await.unwrap(), 0, "a default is not stored");
}

#[tokio::test]
async fn a_number_is_looked_up_by_its_value() {
    let (_, _, sessions) = in_memory();
    let visit = Browser::default().open(&sessions);
    visit.write::<Auth>().await.unwrap().set_tenant(7);
    Browser::default().close(&visit).await.unwrap();
    assert_eq!(sessions.count(Auth::by_tenant(7)).await.unwrap(), 1);
    assert_eq!(sessions.count(Auth::by_tenant(77)).await.unwrap(), 0);
    let refused = sessions.count(Auth::by_tenant("7")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.field()), (ErrorKind::Unencodable, Some("tenant")));
}

/// C24: a list shows only what is alive by this node's clock; the clock of another node may be behind.
#[tokio::test]
async fn a_session_is_ended_until_a_minute_after_its_deadline() {
    let (store, clock, sessions) = in_memory();
    let key = logins(&sessions, &clock, "ann", 1).await[0];
    let expires = sessions.list(Auth::by_user("ann")).await.unwrap()[0].expires_at();
    clock.set(Timestamp::from(expires).after(Duration::from_secs(50)));
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 0);
    assert!(store.record(key).await.is_some());
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 1);
    assert!(store.record(key).await.is_none());
}

#[tokio::test]
async fn a_session_of_a_newer_program_is_listed_and_ended() {
    let (store, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 2).await;
    store.plant(keys[0], "auth", r#"{"v":9,"r":9,"w":9}"#).await;
    let infos = sessions.list(Auth::by_user("ann")).await.unwrap();
    assert_eq!(
        infos.iter().map(|info| (info.key(), info.is_unreadable())).collect::<Vec<_>>(),
        [(keys[0], true), (keys[1], false)]
    );
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 2);
}

#[tokio::test]
async fn a_record_with_a_damaged_head_is_ended_and_not_listed() {
    let (store, clock, sessions) = in_memory();
    logins(&sessions, &clock, "ann", 2).await;
    store.fail_next("load", Fault::Corrupt);
    assert_eq!(sessions.list(Auth::by_user("ann")).await.unwrap().len(), 1);
    store.fail_next("load", Fault::Corrupt);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 2);
    assert_eq!(store.records().await, 0);
}

#[tokio::test]
async fn a_failed_page_names_the_number_of_ended_sessions() {
    let (store, clock, sessions) = in_memory();
    logins(&sessions, &clock, "ann", 600).await;
    let slow = sessions.destroy_all(Auth::by_user("ann"));
    // The second page fails.
    let (failed, ()) = store.before_answer("delete_if", slow, async { store.fail("find", Fault::Down) }).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(failed.chain().contains("500 sessions have ended before this failure"), "{}", failed.chain());
    store.recover();
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 100);
}

/// Another login on the same key raises the generation: the session is looked at again, and stays if the value is another.
#[tokio::test]
async fn a_session_in_which_another_user_has_logged_in_stays() {
    let (store, clock, sessions) = in_memory();
    let keys = logins(&sessions, &clock, "ann", 1).await;
    let other_login = async {
        store.plant(keys[0], "auth.user", "\"bob\"").await;
        let record = store.record(keys[0]).await.unwrap();
        let secret = NewSecret::Raise { hash: record.head.secret, at: clock.timestamp() };
        let raise = Patch::on_generation(record.head.generation).secret(secret);
        store.patch(keys[0], raise, clock.timestamp()).await.unwrap();
    };
    let lookup = sessions.destroy_all(Auth::by_user("ann"));
    let (ended, ()) = store.before_answer("load", lookup, other_login).await;
    assert_eq!(ended.unwrap(), 0);
    assert_eq!(sessions.read::<Auth>(&keys[0]).await.unwrap().unwrap().user().as_deref(), Some("bob"));
}

/// C24: a renewal raises the generation too, and the session still holds the value.
#[tokio::test]
async fn a_session_that_was_renewed_meanwhile_is_ended() {
    let (store, _, sessions) = in_memory();
    let (mut browser, key) = visitor(&sessions, "ann").await;
    let lookup = sessions.destroy_all(Auth::by_user("ann"));
    let (ended, renewed) = store.before_answer("load", lookup, browser.renew(&sessions)).await;
    assert_eq!((ended.unwrap(), renewed), (1, Ok(())));
    assert!(store.record(key).await.is_none());
}

#[tokio::test]
async fn a_lookup_by_a_schema_of_another_program_is_refused() {
    #[derive(Session)]
    #[session(key = "other", version = 1)]
    struct Other {
        #[session(index)]
        name: String,
    }
    let (_, _, sessions) = in_memory();
    for refused in [
        sessions.list(Other::by_name("x")).await.map(drop),
        sessions.count(Other::by_name("x")).await.map(drop),
        sessions.destroy_all(Other::by_name("x")).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::UnknownSchema);
    }
}

/// A store that forwards only what it must: the default answers of the others would be an empty list.
struct OldWrapper(MemoryStore);

#[session_runtime::async_trait]
impl Store for OldWrapper {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.0.create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.0.load(key, wanted, now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.0.patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.sweep(limit, now).await
    }
}

#[test]
fn a_program_with_an_index_needs_a_store_that_has_one() {
    let refused = |builder: SessionsBuilder| {
        let error = builder.schemas::<Auth>().build().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let detail = refused(Sessions::builder().store(OldWrapper(MemoryStore::new())));
    assert!(detail.contains("`auth.user` has an `index`, which this store does not support"), "{detail}");
    let cookies = CookieStore::new([CookieStore::random_key().unwrap()]).unwrap();
    let detail = refused(Sessions::builder().cookie_store(cookies));
    assert!(detail.contains("sealed cookies"), "{detail}");
    let detail =
        refused(Sessions::builder().store(MemoryStore::new()).config(SessionConfig::new().deadline(SWEEP_GRACE)));
    assert!(detail.contains("`session.deadline` must be less than 60 s"), "{detail}");
    assert!(Sessions::builder().store(OldWrapper(MemoryStore::new())).schemas::<Cart>().build().is_ok());
    assert!(!OldWrapper(MemoryStore::new()).supports(Capability::Index));
}

/// Another node's login is found at once, and a copy does not show a user who has left.
#[tokio::test]
async fn a_cache_is_passed_by() {
    let (store, _, there) = in_memory();
    let here = node(CachedStore::new(store.clone()).bound(MINUTE), ManualClock::new());
    let (mut browser, key) = visitor(&there, "ann").await;
    assert_eq!(browser.read(&here).await.unwrap().as_deref(), Some("ann"));
    browser.renew(&there).await.unwrap();
    assert_eq!(here.list(Auth::by_user("ann")).await.unwrap()[0].authenticated_at(), None, "the copy has a proof");
    assert_eq!(here.destroy_all(Auth::by_user("ann")).await.unwrap(), 1);
    assert!(here.read::<Auth>(&key).await.unwrap().is_none(), "the copy is dropped");
}

mod version_1 {
    #[derive(session_runtime::Session)]
    #[session(key = "auth", version = 1)]
    pub(super) struct Auth {
        #[session(renew)]
        pub(super) login: Option<String>,
    }
}

/// The user, whom version 1 stored under another key.
#[derive(Session)]
#[session(key = "auth", version = 2, was(1 = "login:ec0d589b"), layout = "user:ec0d589b note:ec0d589b")]
struct Renamed {
    #[session(renew, index, renamed_from = "login")]
    user: Option<String>,
    note: Option<String>,
}

/// A session of version 1.
async fn stored_by_version_1(store: &RecordingStore) -> SessionKey {
    let sessions = Sessions::builder().store(store.clone()).schemas::<version_1::Auth>().build().unwrap();
    let visit = sessions.open([]);
    let mut auth = visit.write::<version_1::Auth>().await.unwrap();
    auth.set_login("ann".into());
    auth.save().await.unwrap();
    visit.key().unwrap()
}

/// A field that an older version stored under another key.
#[tokio::test]
async fn a_renamed_field_is_found_in_sections_of_older_versions() {
    let store = RecordingStore::default();
    stored_by_version_1(&store).await;
    let after = Sessions::builder().store(store).schemas::<Renamed>().build().unwrap();
    let visit = after.open([]);
    visit.write::<Renamed>().await.unwrap().set_user("ann".into());
    visit.finish(200).await;
    assert_eq!(after.list(Renamed::by_user("ann")).await.unwrap().len(), 2);
    assert_eq!(after.destroy_all(Renamed::by_user("ann")).await.unwrap(), 2);
}

/// C24: a write of another request moves the value to its new key while a page of the lookup is read.
#[tokio::test]
async fn a_session_that_is_upgraded_during_a_lookup_is_found_once() {
    let store = RecordingStore::default();
    let after = Sessions::builder().store(store.clone()).schemas::<Renamed>().build().unwrap();
    let ann = || Renamed::by_user("ann");
    for held in ["find", "load"] {
        let keys = [stored_by_version_1(&store).await, stored_by_version_1(&store).await];
        let upgrade = async |key: SessionKey| {
            after.update::<Renamed, _>(&key, |auth| auth.set_note("hello".into())).await.unwrap();
        };
        let (count, ()) = store.before_answer(held, after.count(ann()), upgrade(keys[0])).await;
        let (ended, ()) = store.before_answer(held, after.destroy_all(ann()), upgrade(keys[1])).await;
        assert_eq!((count.unwrap(), ended.unwrap()), (2, 2), "after `{held}`");
        assert_eq!(store.records().await, 0, "after `{held}`");
    }
}

/// A request that changes no indexed value costs the calls of a program without an index.
#[tokio::test]
async fn a_request_that_leaves_the_user_alone_costs_nothing_more() {
    let (store, _, sessions) = in_memory();
    let (mut browser, _) = visitor(&sessions, "ann").await;
    store.take_calls();
    browser.add(&sessions).await.unwrap();
    browser.read(&sessions).await.unwrap();
    assert_eq!(store.take_calls(), [("load", 2), ("patch", 1)].into());
}

const ROUNDS: usize = 200;

/// C24: beside saves, renewals, logins and logouts on two nodes whose clocks differ by 50 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_escapes_in_memory() {
    let store = Arc::new(MemoryStore::new());
    races(&[node(Arc::clone(&store), SystemClock), node(store, ClockAhead(50))], ROUNDS).await;
}

/// C24: beside saves, renewals, logins and logouts on two nodes whose clocks differ by 50 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_escapes_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let open = || SqliteStore::builder(&path).admission(PATIENT_ADMISSION).open().unwrap();
    races(&[node(open(), SystemClock), node(open(), ClockAhead(50))], ROUNDS).await;
}

/// C24: beside saves, renewals, logins and logouts on two nodes whose clocks differ by 50 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_escapes_on_postgresql() {
    let server = Postgres::start("");
    let open = || PostgresStore::builder(server.url()).admission(PATIENT_ADMISSION).open().unwrap();
    races(&[node(open(), SystemClock), node(CachedStore::new(open()), ClockAhead(50))], ROUNDS).await;
}

/// C24: beside saves, renewals, logins and logouts on two nodes whose clocks differ by 50 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_escapes_on_redis() {
    let server = Redis::start();
    let open = || RedisStore::open(server.url()).unwrap();
    races(&[node(open(), SystemClock), node(open(), ClockAhead(50))], ROUNDS).await;
}

/// C24: beside saves, renewals, logins and logouts on two nodes whose clocks differ by 50 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_escapes_on_a_cluster() {
    let cluster = Cluster::start();
    let open = || RedisStore::open(cluster.url()).unwrap();
    races(&[node(open(), SystemClock), node(open(), ClockAhead(50))], ROUNDS / 4).await;
}
