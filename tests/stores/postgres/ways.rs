//! Ways to a server: encrypted, or as a user who may do little.

use std::fs;
use std::path::Path;
use std::process::Command;

use session_runtime::store::StoreErrorKind;
use session_runtime::{PostgresStore, Store};
use session_tests::conformance::keeps_every_rule;
use session_tests::servers::postgres::{Postgres, own_by_server};

use super::session::{assert_fails, counter, key, patient, visits};

/// The server's certificate for 127.0.0.1, signed by a root of our own; gives the root.
fn encrypt(server: &mut Postgres) -> Vec<u8> {
    let folder = server.data();
    let openssl = |args: &str| {
        let output = Command::new("openssl").args(args.split(' ')).current_dir(&folder).output().expect("openssl");
        assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    let fresh = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("req -x509 {fresh} -keyout root.key -out root.pem -subj /CN=root"));
    openssl(&format!("req {fresh} -keyout server.key -out server.csr -subj /CN=server"));
    openssl(
        "x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    for file in ["server.key", "server.crt"] {
        own_by_server(&folder.join(file));
    }
    server.stop();
    server.configure("ssl = on");
    server.run();
    fs::read(folder.join("root.pem")).unwrap()
}

async fn encrypted(server: &Postgres) -> i64 {
    let connections = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'session-runtime'";
    server.ask(connections).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let mut server = Postgres::start("");
    let root = encrypt(&mut server);
    // A password that is bound to the encrypted channel. No statement has it as a whole: a test of this process looks for
    // it in the log.
    let scram = "SET password_encryption = 'scram-sha-256';
                 DO $$ BEGIN EXECUTE format('ALTER USER owner PASSWORD %L', 'open' || 'sesame'); END $$";
    server.execute(scram).await;
    let url = format!("{}?sslmode=verify-full", server.url());
    let store = PostgresStore::builder(&url).root_certificates(root).open().unwrap();
    counter(&store, key(1)).await;
    assert!(encrypted(&server).await > 0, "nothing was encrypted");
    let path = server.data().join("root.pem").display().to_string().replace('/', "%2F");
    let by_url = patient(format!("{}?sslrootcert={path}&sslmode=require", server.url()));
    assert_eq!(visits(&by_url, key(1)).await.unwrap(), 0);
    keeps_every_rule(store).await;
}

/// A certificate without a trusted authority is refused, also where encryption is not required.
#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let mut server = Postgres::start("");
    encrypt(&mut server);
    for mode in ["require", "prefer"] {
        let store = patient(format!("{}?sslmode={mode}", server.url()));
        assert_fails(store.prepare().await, StoreErrorKind::Setup, "UnknownIssuer");
    }
    let store = patient(format!("{}?sslmode=disable", server.url()));
    store.prepare().await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_demanded() {
    let server = Postgres::start("");
    let store = patient(format!("{}?sslmode=require", server.url()));
    assert_fails(store.prepare().await, StoreErrorKind::Setup, "server does not support TLS");
}

/// Tables made by an operator, from the SQL that the library prints; the application may change rows and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_right_to_change_rows_is_enough() {
    let server = Postgres::start("");
    server.execute("CREATE USER app PASSWORD 'secret'").await;
    let url = server.url().replace("owner:opensesame", "app:secret");
    let open = || PostgresStore::builder(&url).schema("web").open().unwrap();
    assert_fails(open().prepare().await, StoreErrorKind::Setup, "42501");
    server.execute(&PostgresStore::sql("web")).await;
    assert_fails(open().prepare().await, StoreErrorKind::Setup, "42501");
    server
        .execute(
            "GRANT USAGE ON SCHEMA web TO app; GRANT SELECT ON web.session_layout, web.session_index TO app;
             GRANT SELECT, INSERT, UPDATE, DELETE ON web.session_record, web.session_value TO app",
        )
        .await;
    keeps_every_rule(open()).await;
}

/// A socket in the file system, as on one machine.
#[tokio::test]
async fn by_a_socket_in_the_file_system() {
    let server = Postgres::start("");
    let folder: &Path = server.folder();
    let host = folder.display().to_string().replace('/', "%2F");
    let url = format!("postgres://owner:opensesame@{host}:{}/sessions", server.address().port());
    let store = patient(url);
    counter(&store, key(1)).await;
    assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
}
