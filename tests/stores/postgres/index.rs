//! The index in PostgreSQL, which triggers maintain whichever program writes.

use session_runtime::clock::SystemClock;
use session_runtime::store::Store;
use session_runtime::{PostgresStore, SessionKey, Sessions};
use session_tests::lookups::{Auth, node, visitor};
use session_tests::servers::postgres::Postgres;

use super::session::patient;

/// The schema of a program that does not know the index.
mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "auth", version = 1)]
    pub(super) struct Auth {
        #[session(renew)]
        pub(super) user: Option<String>,
        #[session(default = 0)]
        pub(super) tenant: u32,
    }
}

fn old_program(store: PostgresStore) -> Sessions {
    Sessions::builder().store(store).schemas::<old::Auth>().build().unwrap()
}

async fn old_login(sessions: &Sessions, user: &str) -> SessionKey {
    let visit = sessions.open([]);
    visit.write::<old::Auth>().await.unwrap().set_user(user.to_owned());
    let error = visit.finish(200).await.error;
    assert!(error.is_none(), "{error:?}");
    visit.key().unwrap()
}

/// Tables of a program without an index get one at the launch of a program with it. The old program goes on, also after a
/// restart, and its logins are found.
#[tokio::test]
async fn sessions_of_a_program_without_the_index_are_found() {
    let server = Postgres::start("");
    let before = old_program(patient(server.url()));
    let first = old_login(&before, "ann").await;
    assert_eq!(server.ask("SELECT count(*) FROM pg_class WHERE relname = 'session_index'").await, 0);
    let after = node(patient(server.url()), SystemClock);
    after.prepare().await.unwrap();
    old_login(&before, "ann").await;
    old_login(&old_program(patient(server.url())), "ann").await;
    assert_eq!(server.ask("SELECT count(*) FROM session_index").await, 3);
    assert_eq!(after.count(Auth::by_user("ann")).await.unwrap(), 3);
    before.destroy(&first).await.unwrap();
    assert_eq!(server.ask("SELECT count(*) FROM session_index").await, 2);
    assert_eq!(after.destroy_all(Auth::by_user("ann")).await.unwrap(), 2);
    assert_eq!(server.ask("SELECT count(*) FROM session_index").await, 0);
}

/// Several nodes with the index start at once, beside logins of a program without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_launches_beside_logins_enter_every_session() {
    let server = Postgres::start("");
    let before = old_program(patient(server.url()));
    old_login(&before, "ann").await;
    let logins = tokio::spawn(async move {
        for _ in 0..100 {
            old_login(&before, "ann").await;
        }
    });
    let nodes: Vec<_> = (0..4).map(|_| node(patient(server.url()), SystemClock)).collect();
    for launch in nodes.iter().cloned().map(|node| tokio::spawn(async move { node.prepare().await })) {
        launch.await.unwrap().unwrap();
    }
    logins.await.unwrap();
    assert_eq!(nodes[0].count(Auth::by_user("ann")).await.unwrap(), 101);
    assert_eq!(server.ask("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'session_index%'").await, 6);
}

/// An operator has created the tables; the programs may only use them. That of the old one has no right on the index.
#[tokio::test]
async fn users_without_the_right_to_create_tables_have_an_index() {
    let server = Postgres::start("");
    server.execute(&PostgresStore::sql("public")).await;
    for user in ["before", "after"] {
        server
            .execute(&format!(
                "CREATE ROLE {user} LOGIN PASSWORD 'secret'; GRANT SELECT ON session_layout TO {user};
                 GRANT SELECT, INSERT, UPDATE, DELETE ON session_record, session_value TO {user}"
            ))
            .await;
    }
    server.execute("GRANT SELECT ON session_index TO after").await;
    let url = |user: &str| {
        let (_, place) = server.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        format!("postgres://{user}:secret@{place}")
    };
    let (before, after) = (old_program(patient(url("before"))), node(patient(url("after")), SystemClock));
    old_login(&before, "ann").await;
    after.prepare().await.unwrap();
    old_login(&before, "ann").await;
    visitor(&after, "ann").await;
    assert_eq!(after.destroy_all(Auth::by_user("ann")).await.unwrap(), 3);
    assert_eq!(server.ask("SELECT count(*) FROM session_value").await, 0);
}

/// Rows of keys without an index run no trigger.
#[tokio::test]
async fn other_values_pay_nothing() {
    let server = Postgres::start("");
    let store = patient(server.url());
    store.set_indexed_keys(&["auth.user".into()]);
    store.prepare().await.unwrap();
    let plan = "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) INSERT INTO session_value VALUES \
                ('a', 'cart', '.items', '1')";
    let client = server.client().await;
    let lines = client.query(plan, &[]).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
    assert!(!lines.iter().any(|line| line.contains("Trigger")), "{lines:?}");
    let lines = client.query(&plan.replace("cart", "auth").replace(".items", ".user"), &[]).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
    assert!(lines.iter().any(|line| line.contains("Trigger session_index")), "{lines:?}");
}
