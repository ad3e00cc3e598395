//! A store that has more work than it can do: it refuses early, sends nothing for a request that gave up, and answers
//! reads meanwhile.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::config::AdmissionConfig;
use session_runtime::record::{Record, Values};
use session_runtime::store::{Created, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{ErrorKind, PostgresStore, RedisStore, Session, SessionKey, Sessions, SqliteStore, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Operations that a store sends before it has measured anything.
const IN_FLIGHT: u8 = 64;
/// Time in which operations have reached the server or the queue.
const SENT: Duration = Duration::from_millis(100);

/// A store whose writes can be blocked.
enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(Postgres),
    Redis(Redis),
}

/// Blocks all writes until it is dropped.
enum Blocked {
    Sqlite(#[expect(dead_code, reason = "rolls back when it is dropped")] rusqlite::Connection),
    Postgres(#[expect(dead_code, reason = "rolls back when it is dropped")] tokio_postgres::Client),
    Redis(redis::Connection),
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Self::Redis(connection) = self {
            redis::cmd("CLIENT").arg("UNPAUSE").exec(connection).unwrap();
        }
    }
}

impl Database {
    fn all() -> [Self; 3] {
        [Self::Sqlite(tempfile::tempdir().unwrap()), Self::Postgres(Postgres::start("")), Self::Redis(Redis::start())]
    }

    fn open(&self, admission: AdmissionConfig) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(folder) => {
                let store = SqliteStore::builder(folder.path().join("sessions.db")).admission(admission);
                Arc::new(store.busy_timeout(Duration::from_secs(20)).open().unwrap())
            }
            Self::Postgres(server) => {
                Arc::new(PostgresStore::builder(server.url()).admission(admission).open().unwrap())
            }
            Self::Redis(server) => Arc::new(RedisStore::builder(server.url()).admission(admission).open().unwrap()),
        }
    }

    async fn block_writes(&self) -> Blocked {
        match self {
            Self::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("sessions.db")).unwrap();
                file.execute_batch("BEGIN IMMEDIATE").unwrap();
                Blocked::Sqlite(file)
            }
            Self::Postgres(server) => {
                let client = server.client().await;
                client.batch_execute("BEGIN; LOCK TABLE session_record IN EXCLUSIVE MODE").await.unwrap();
                Blocked::Postgres(client)
            }
            Self::Redis(server) => {
                let mut connection = server.connect();
                redis::cmd("CLIENT").arg(&["PAUSE", "60000", "WRITE"]).exec(&mut connection).unwrap();
                Blocked::Redis(connection)
            }
        }
    }
}

fn record() -> Record {
    let values: Values = [("cart".into(), "{}".into())].into_iter().collect();
    let mut record = Record::new(head_at(0), values);
    record.head.idle_deadline = now().after(Duration::from_secs(3_600));
    record
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

const fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

type Creating = JoinHandle<Result<Created, StoreError>>;

/// Begins to create sessions, in order.
async fn create(store: &Arc<dyn Store>, sessions: std::ops::Range<u8>) -> Vec<Creating> {
    let mut creating = Vec::new();
    for n in sessions {
        let store = Arc::clone(store);
        creating.push(tokio::spawn(async move { store.create(key(n), record()).await }));
        tokio::task::yield_now().await;
    }
    sleep(SENT).await;
    creating
}

async fn is_stored(store: &Arc<dyn Store>, n: u8) -> bool {
    store.load(key(n), &Wanted::all(), now()).await.unwrap().is_some()
}

/// C78.
#[tokio::test]
async fn writes_of_requests_that_gave_up_in_the_queue_were_sent() {
    for database in Database::all() {
        let store = database.open(AdmissionConfig::default());
        store.create(key(250), record()).await.unwrap();
        let blocked = database.block_writes().await;
        let mut creating = create(&store, 0..IN_FLIGHT + 100).await;
        let given_up = creating.split_off(IN_FLIGHT.into());
        given_up.iter().for_each(JoinHandle::abort);
        drop(blocked);
        for created in creating {
            assert!(matches!(created.await.unwrap(), Ok(Created::Done)));
        }
        store.create(key(251), record()).await.unwrap();
        for n in IN_FLIGHT..IN_FLIGHT + 100 {
            assert!(!is_stored(&store, n).await, "{}: the write of a request that gave up", store.describe());
        }
        assert!(is_stored(&store, 0).await && is_stored(&store, 251).await);
    }
}

/// C79. A single Redis server runs one command after the other, so it has no such case.
#[tokio::test]
async fn loads_waited_behind_blocked_writes() {
    for database in Database::all() {
        if matches!(database, Database::Redis(_)) {
            continue;
        }
        let store = database.open(AdmissionConfig::default());
        store.create(key(250), record()).await.unwrap();
        let blocked = database.block_writes().await;
        let creating = create(&store, 0..200).await;
        for _ in 0..10 {
            assert!(is_stored(&store, 250).await);
        }
        let finished = creating.iter().filter(|creating| creating.is_finished()).count();
        assert_eq!(finished, 0, "{}: writes that ended before the loads", store.describe());
        drop(blocked);
        creating.iter().for_each(JoinHandle::abort);
    }
}

/// C77.
#[tokio::test]
async fn a_refused_write_is_an_overload_and_writes_nothing() {
    for database in Database::all() {
        let store = database.open(AdmissionConfig { max_queue_time: Duration::ZERO, ..AdmissionConfig::default() });
        store.create(key(250), record()).await.unwrap();
        let blocked = database.block_writes().await;
        let creating = create(&store, 0..IN_FLIGHT + 1).await;
        let refused = store.create(key(200), record()).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Overloaded);
        let cause = refused.source().unwrap().to_string();
        assert_eq!(cause, "operations in the queue: 1; the store needs more than 0 ms for them");
        drop(blocked);
        for created in creating {
            assert!(matches!(created.await.unwrap(), Ok(Created::Done)));
        }
        assert!(!is_stored(&store, 200).await);
        assert!(matches!(store.create(key(200), record()).await, Ok(Created::Done)), "the store works again");
    }
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

/// C77: the request gets 503, and nothing of it is stored.
#[tokio::test]
async fn a_request_whose_save_is_refused_may_be_repeated() {
    for database in Database::all() {
        let store = database.open(AdmissionConfig { max_queue_time: Duration::ZERO, ..AdmissionConfig::default() });
        store.create(key(250), record()).await.unwrap();
        let sessions = Sessions::builder().store(Arc::clone(&store)).schemas::<Cart>().build().unwrap();
        let blocked = database.block_writes().await;
        let creating = create(&store, 0..IN_FLIGHT + 1).await;
        let visit = sessions.open([]);
        visit.write::<Cart>().await.unwrap().set_coupon("SPRING".to_owned());
        let error = visit.finish(200).await.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.retry_after().is_some() && error.to_string().contains("overloaded"), "{error}");
        drop(blocked);
        for created in creating {
            assert!(created.await.unwrap().is_ok());
        }
    }
}
