//! What goes over the wire: statements by the server's own count, bytes by a proxy's.

use std::time::Duration;

use session_runtime::patch::Patched;
use session_runtime::store::Wanted;
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::{PgBouncer, Postgres, url};
use session_tests::servers::proxy::Proxy;

use crate::conformance::pool;
use crate::session::{NOW, PATIENT, count, count_unchanged, counter, key, patient, record, visits};

const ROUNDS: u64 = 20;

/// Statements of the store that the server has run.
async fn calls(server: &Postgres) -> i64 {
    let sum = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
        WHERE toplevel AND query LIKE '%session\\_%' AND query NOT LIKE '%pg_stat%'";
    server.ask(sum).await
}

/// A load is one statement, a patch is one, a conflict included.
#[tokio::test]
async fn each_operation_is_one_statement() {
    let server = Postgres::start("");
    server.execute("CREATE EXTENSION pg_stat_statements").await;
    let bouncer = PgBouncer::start(&server, 2);
    for (n, url) in [server.url(), bouncer.url()].into_iter().enumerate() {
        let store = patient(url);
        let key = key(u8::try_from(n).unwrap());
        counter(&store, key).await;
        let begun = calls(&server).await;
        for _ in 0..ROUNDS {
            visits(&store, key).await.unwrap();
        }
        let loaded = calls(&server).await;
        for n in 0..ROUNDS {
            assert!(matches!(store.patch(key, count(n, n + 1), NOW).await.unwrap(), Patched::Done(_)));
            assert!(matches!(store.patch(key, count(n, n + 1), NOW).await.unwrap(), Patched::Conflict(_)));
        }
        let patched = calls(&server).await;
        println!("{ROUNDS} loads: {} statements; {ROUNDS} patches and conflicts: {}", loaded - begun, patched - loaded);
        assert_eq!((loaded - begun, patched - loaded), (ROUNDS.cast_signed(), 2 * ROUNDS.cast_signed()));
        let _ = store.delete(key).await;
    }
}

/// The function that applies any patch is called where the record has changed since it was loaded, and no sooner: once for
/// the patch, and not at all otherwise. Behind a pooler nothing else is sent.
#[tokio::test]
async fn an_unchanged_record_is_patched_without_the_function() {
    let server = Postgres::start("");
    server.execute("CREATE EXTENSION pg_stat_statements").await;
    let bouncer = PgBouncer::start(&server, 2);
    let pool = PostgresStore::from_pool(pool(&server.url(), 1), "public");
    // Statements of an unchanged record, of a changed one, and calls of the function for both.
    let cases = [(patient(server.url()), [1, 2, 1]), (pool, [1, 2, 1]), (patient(bouncer.url()), [1, 1, 2])];
    for (n, (store, expected)) in cases.into_iter().enumerate() {
        let key = key(u8::try_from(n).unwrap());
        counter(&store, key).await;
        server.execute("SELECT pg_stat_statements_reset()").await;
        let begun = calls(&server).await;
        assert!(matches!(store.patch(key, count_unchanged(0, 1, 0), NOW).await.unwrap(), Patched::Done(_)));
        let unchanged = calls(&server).await;
        assert!(matches!(store.patch(key, count_unchanged(1, 2, 0), NOW).await.unwrap(), Patched::Done(_)));
        let changed = calls(&server).await;
        let patched = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
            WHERE toplevel AND query LIKE '%session\\_patch%' AND query NOT LIKE '%pg_stat%'";
        let functions = server.ask(patched).await;
        println!("{} and {} statements, {functions} calls", unchanged - begun, changed - unchanged);
        assert_eq!([unchanged - begun, changed - unchanged, functions], expected);
        assert_eq!(visits(&store, key).await.unwrap(), 2);
    }
}

/// What another schema holds stays where it is.
#[tokio::test]
async fn a_cart_moves_few_bytes_beside_a_long_history() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let store = PostgresStore::builder(url(proxy.address())).connect_timeout(PATIENT).connections(1).open().unwrap();
    let history = format!("\"{}\"", "h".repeat(100 * 1024));
    let values = [("cart", r#"{"v":1}"#), ("cart.visits", "0"), ("history", r#"{"v":1}"#), ("history.pages", &history)];
    store.create(key(1), record(&values)).await.unwrap();
    // So that both statements are prepared.
    visits(&store, key(1)).await.unwrap();
    assert!(matches!(store.patch(key(1), count(0, 1), NOW).await.unwrap(), Patched::Done(_)));

    let moved = || {
        let counts = proxy.counts();
        counts.to_server + counts.from_server
    };
    let begun = moved();
    let loaded = store.load(key(1), &Wanted::schemas(&["cart"]), NOW).await.unwrap().unwrap();
    let read = moved() - begun;
    assert!(matches!(store.patch(key(1), count(1, 2), NOW).await.unwrap(), Patched::Done(_)));
    let written = moved() - begun - read;
    println!("{read} bytes for a read, {written} for a write, beside {}", history.len());
    assert!(read < 2_048 && written < 2_048, "{read} and {written} bytes");
    assert_eq!((loaded.keys, loaded.bytes > history.len(), loaded.record.values.len()), (4, true, 2));
}

/// How often the tables of sessions were read as a whole, or by an index.
async fn scans(server: &Postgres, kind: &str) -> i64 {
    let sum = format!("SELECT sum({kind})::bigint FROM pg_stat_user_tables WHERE relname ~ 'session_(record|value)'");
    server.ask(&sum).await
}

/// Plans are made when a connection is new and the tables may be small, and kept when they are large.
#[tokio::test]
async fn no_table_is_read_as_a_whole() {
    let server = Postgres::start("");
    counter(&patient(server.url()), key(1)).await;
    server.execute("ANALYZE").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let [whole, by_index] = [scans(&server, "seq_scan").await, scans(&server, "idx_scan").await];
    let store = patient(server.url());
    for n in 0..ROUNDS {
        assert_eq!(visits(&store, key(1)).await.unwrap(), n);
        store.load(key(1), &Wanted::schemas(&["cart", "auth"]), NOW).await.unwrap();
        store.load(key(1), &Wanted::all(), NOW).await.unwrap();
        let patch = if n % 2 == 0 { count(n, n + 1) } else { count_unchanged(n, n + 1, n) };
        assert!(matches!(store.patch(key(1), patch, NOW).await.unwrap(), Patched::Done(_)));
        counter(&store, key(2)).await;
        store.scan(None, 10, NOW).await.unwrap();
        store.delete(key(2)).await.unwrap();
        store.sweep(10, NOW).await.unwrap();
    }
    drop(store);
    // The server counts when the connection has ended.
    let counted = async {
        while scans(&server, "idx_scan").await < by_index + ROUNDS.cast_signed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.expect("the server counted nothing");
    assert_eq!(scans(&server, "seq_scan").await - whole, 0);
}
