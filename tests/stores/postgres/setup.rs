//! Tables that are made, found, or refused.

use std::time::Duration;

use session_runtime::store::{StoreErrorKind, Wanted};
use session_runtime::{PostgresStore, SessionConfig, Sessions, Store};
use session_tests::servers::postgres::{PASSWORD, Postgres};

use super::session::{NOW, PATIENT, assert_fails, counter, key, patient, visits, whole};

/// Nodes that start at the same moment do not stumble over each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_launches_at_once_make_the_tables() {
    let server = Postgres::start("");
    let launches: Vec<_> = (0..12)
        .map(|n| {
            // Patient: twelve of them share the machine with other tests.
            let builder = PostgresStore::builder(server.url()).schema("web").connections(1);
            let store = builder.connect_timeout(Duration::from_secs(30)).open().unwrap();
            tokio::spawn(async move {
                store.prepare().await.unwrap();
                counter(&store, key(n)).await;
            })
        })
        .collect();
    for launch in launches {
        launch.await.unwrap();
    }
    assert_eq!(server.ask("SELECT count(*) FROM web.session_layout").await, 1);
    assert_eq!(server.ask("SELECT count(*) FROM web.session_record").await, 12);
}

/// Tables of a newer program are refused at the launch and left unchanged.
#[tokio::test]
async fn a_newer_layout_is_refused_and_left_alone() {
    let server = Postgres::start("");
    let open = || patient(server.url());
    counter(&open(), key(1)).await;
    server.execute("UPDATE session_layout SET version = 2").await;
    assert_fails(open().prepare().await, StoreErrorKind::Setup, "format 2, which is newer");
    assert_fails(open().delete(key(1)).await, StoreErrorKind::Setup, "format 2, which is newer");
    assert_eq!(server.ask("SELECT count(*) FROM session_record").await, 1);
    assert_eq!(server.ask("SELECT version::bigint FROM session_layout").await, 2);
}

/// The printed SQL makes what the store needs, may be run twice, and takes a name as it is.
#[tokio::test]
async fn the_printed_sql_makes_the_tables() {
    let server = Postgres::start("");
    let schema = "we\"b'1";
    for _ in 0..2 {
        server.execute(&PostgresStore::sql(schema)).await;
    }
    let store = PostgresStore::builder(server.url()).schema(schema).open().unwrap();
    counter(&store, key(1)).await;
    server.execute(&PostgresStore::sql(schema)).await;
    assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
}

/// The server cuts a name after 63 bytes, so that two long ones would share their sessions.
#[tokio::test]
async fn names_that_the_server_would_cut_are_refused() {
    let server = Postgres::start("");
    // Letters of two bytes each: fewer than 63 characters.
    for (long, fits) in [("s".repeat(64), "s".repeat(63)), ("\u{e9}".repeat(32), "\u{e9}".repeat(31))] {
        let error = PostgresStore::builder(server.url()).schema(&long).open().unwrap_err();
        assert_fails(Err::<(), _>(error), StoreErrorKind::Setup, "63 bytes");
        let pool = super::conformance::pool(&server.url(), 1);
        let pooled = PostgresStore::from_pool(pool, &long);
        assert_fails(pooled.prepare().await, StoreErrorKind::Setup, "63 bytes");
        assert_fails(pooled.delete(key(1)).await, StoreErrorKind::Setup, "63 bytes");
        let printed = server.client().await.batch_execute(&PostgresStore::sql(&long)).await;
        assert!(printed.is_err(), "the printed SQL made tables under a name that was cut");
        let store = PostgresStore::builder(server.url()).schema(&fits).open().unwrap();
        counter(&store, key(1)).await;
        assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
        let long_database = server.url().replace("/sessions", &format!("/{}", "d".repeat(64)));
        let error = PostgresStore::builder(long_database).open().unwrap_err();
        assert_fails(Err::<(), _>(error), StoreErrorKind::Setup, "63 bytes");
    }
    assert!(PostgresStore::builder(server.url()).schema("").open().is_err());
    assert_eq!(server.ask("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^(s|\u{e9})+$'").await, 2);
}

/// Quoted as they are, names that differ only in their case are two.
#[tokio::test]
async fn names_that_differ_in_case_do_not_share_sessions() {
    let server = Postgres::start("");
    let open = |schema| PostgresStore::builder(server.url()).schema(schema).connect_timeout(PATIENT).open().unwrap();
    let (lower, upper) = (open("shop"), open("Shop"));
    counter(&lower, key(1)).await;
    upper.prepare().await.unwrap();
    assert!(upper.load(key(1), &Wanted::all(), NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn a_url_in_the_settings_opens_the_store() {
    let server = Postgres::start("");
    for scheme in ["postgres", "postgresql"] {
        let url = server.url().replacen("postgres", scheme, 1);
        let sessions = Sessions::builder().config(SessionConfig::new().store(url)).build().unwrap();
        sessions.sweep().await.unwrap();
    }
    assert_eq!(server.ask("SELECT count(*) FROM session_layout").await, 1);
}

#[tokio::test]
async fn a_wrong_setup_stops_the_launch_and_shows_no_password() {
    let server = Postgres::start("");
    let wrong = server.url().replace(PASSWORD, "not-the-password");
    let store = patient(wrong);
    let error = store.prepare().await.unwrap_err();
    assert!(!whole(&error).contains("not-the-password") && !format!("{store:?}").contains("not-the-password"));
    assert_fails(Err::<(), _>(error), StoreErrorKind::Setup, "wrong user or password");
    let nowhere = patient(server.url().replace("/sessions", "/nowhere"));
    assert_fails(nowhere.prepare().await, StoreErrorKind::Setup, "no such database");
}

#[test]
fn an_invalid_url_is_not_shown() {
    for url in
        ["postgres://u:geheim@h:port/db", "postgres://u:ge@h?geheim=1", "postgres://u:geheim@h/db?sslmode=perhaps"]
    {
        let builder = PostgresStore::builder(url);
        let shown = format!("{builder:?}");
        let error = whole(&builder.open().unwrap_err());
        assert!(!shown.contains("geheim") && !error.contains("geheim"), "{shown}\n{error}");
    }
}
