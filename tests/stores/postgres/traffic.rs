//! The traffic to the server: statements by the server's own count, bytes by a proxy's.

use std::time::Duration;

use session_runtime::patch::{Patch, Patched};
use session_runtime::store::{LoadedHead, Wanted};
use session_runtime::testing::hint::{UnchangedHint, hinted};
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::{PgBouncer, Postgres, url};
use session_tests::servers::proxy::Proxy;

use super::conformance::pool;
use super::session::{NOW, PATIENT, count, count_unchanged, counter, key, patient, record, visits};

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
        let keys: Vec<_> = (0..200).map(self::key).chain([key]).collect();
        assert!(matches!(store.heads(&keys, NOW).await.unwrap()[200], LoadedHead::Alive(_)));
        assert_eq!(calls(&server).await - patched, 1, "statements for 201 heads");
        let _ = store.delete(key).await;
    }
}

/// The function that applies any patch is called where the record has changed since it was loaded, and no sooner: once
/// for the patch, and not at all otherwise. Behind a pooler nothing else is sent.
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

/// A load does not transfer the values of another schema.
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

/// Rows and index entries read in the tables of sessions. All connections are closed first, since open ones report
/// late.
async fn looked_at(server: &Postgres) -> i64 {
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'session-runtime'";
    let gone = async {
        while server.ask(connected).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("a connection stays");
    let sum = "SELECT sum(looked)::bigint FROM (
            SELECT seq_tup_read AS looked, relname FROM pg_stat_user_tables
            UNION ALL SELECT idx_tup_read, relname FROM pg_stat_user_indexes
        ) counts WHERE relname IN ('session_record', 'session_value')";
    server.ask(sum).await
}

/// Every statement of the store, again and again; `swept` sessions are removed each time.
async fn work(store: &PostgresStore, from: u64, swept: usize) {
    for n in from..from + ROUNDS {
        assert_eq!(visits(store, key(1)).await.unwrap(), n);
        for wanted in
            [Wanted::schemas(&["cart", "auth"]), Wanted::schemas(&["cart", "a", "b", "c", "d"]), Wanted::all()]
        {
            store.load(key(1), &wanted, NOW).await.unwrap();
        }
        let patch = if n % 2 == 0 { count(n, n + 1) } else { count_unchanged(n, n + 1, n) };
        assert!(matches!(store.patch(key(1), patch, NOW).await.unwrap(), Patched::Done(_)));
        counter(store, key(2)).await;
        let both = Patch::on_generation(0).set([("cart.a", "1"), ("cart.b", "2")]);
        let both = hinted(both, UnchangedHint { revision: 0, bytes: 37, keys: 4 });
        assert!(matches!(store.patch(key(2), both, NOW).await.unwrap(), Patched::Done(_)));
        store.delete(key(2)).await.unwrap();
        store.scan(None, 10, NOW).await.unwrap();
        assert_eq!(store.sweep(10, NOW).await.unwrap(), swept);
    }
}

/// Plans are made while the tables are small, and used when they are large; or made when they are.
#[tokio::test]
async fn no_statement_looks_at_many_sessions() {
    let server = Postgres::start("autovacuum = off");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    server.execute("ANALYZE").await;
    work(&store, 0, 0).await;
    let others = "INSERT INTO session_record SELECT (made.other).* FROM (
            SELECT jsonb_populate_record(r, jsonb_build_object(
                'key', '\\x' || left(encode(sha256(n::text::bytea), 'hex'), 32),
                'expires', CASE WHEN n % 2 = 0 THEN -100000 - n ELSE r.expires END
            )) AS other FROM session_record r, generate_series(1, 10000) n
        ) made";
    server.execute(others).await;
    work(&store, ROUNDS, 10).await;
    drop(store);
    let made_small = looked_at(&server).await;
    server.execute("ANALYZE").await;
    let store = patient(server.url());
    work(&store, 2 * ROUNDS, 10).await;
    drop(store);
    let made_large = looked_at(&server).await - made_small;
    println!("plans made while there was one session: {made_small} looked at; when there were 10,000: {made_large}");
    assert!(made_small < 10_000 && made_large < 10_000);
}
