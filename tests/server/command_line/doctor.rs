//! `session doctor`: each planted misconfiguration is found, and a store that is set up well has no finding.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use session_runtime::PostgresStore;
use session_tests::lookups::{ClockAhead, visitor};
use session_tests::servers::cluster::Cluster;
use session_tests::servers::postgres::{self, Postgres};
use session_tests::servers::redis::Redis;

use super::{DAY, Outcome, Place, program, run};
use crate::process::Storage;

/// A database as an operator would set it up; the tests' other databases run without `fsync`.
const SAFE: &str = "fsync = on\nfull_page_writes = on\n";

/// Runs `doctor` on a store.
fn doctor(url: &str, args: &[&str]) -> Outcome {
    run(program(&[&["doctor"], args].concat()).env("SESSION_STORE", url))
}

/// The findings that are not `ok`: verdict and property.
fn findings(outcome: &Outcome) -> Vec<(&str, &str)> {
    let lines = outcome.out.lines().map(|line| {
        let mut cells = line.split('\t');
        (cells.next().unwrap(), cells.next().unwrap())
    });
    lines.filter(|(verdict, _)| *verdict != "ok").collect()
}

/// Checks that exactly this is found.
#[track_caller]
fn assert_found(outcome: Outcome, expected: &[(&str, &str)]) {
    let code = i32::from(expected.iter().any(|(verdict, _)| *verdict == "wrong"));
    let outcome = outcome.expect(code);
    assert_eq!(findings(&outcome), expected, "{outcome:?}");
    assert!(outcome.out.lines().count() > 8 && outcome.err.is_empty(), "{outcome:?}");
}

async fn database(settings: &str) -> Postgres {
    let server = Postgres::start(&format!("{SAFE}{settings}"));
    server.execute(&PostgresStore::sql("public")).await;
    server
}

/// C151: a well-kept file, database, server and cluster have no finding.
#[tokio::test]
async fn a_store_that_is_set_up_well_has_no_finding() {
    let place = Place::new(Storage::Sqlite);
    let node = place.node(SystemTime::now).await;
    visitor(&node, "ann").await;
    assert_found(doctor(&place.url, &[]), &[]);
    assert_found(doctor(&database("").await.url(), &[]), &[]);
    let options = ["--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "noeviction"];
    assert_found(doctor(&Redis::with(&options).url(), &[]), &[]);
    assert_found(doctor(&Cluster::with(&["--appendonly", "yes"]).url(), &[]), &[]);
}

/// C151: a file that others may read, that is not in WAL mode, with a large log or with sessions that are not swept.
#[tokio::test]
async fn a_file_that_is_kept_badly_is_found() {
    let place = Place::new(Storage::Sqlite);
    let node = place.node(ClockAhead(-15 * DAY)).await;
    visitor(&node, "ann").await;
    assert_found(doctor(&place.url, &[]), &[("warning", "sweep")]);
    let log = fs::OpenOptions::new().write(true).open(place.folder.path().join("sessions.db-wal")).unwrap();
    let size = log.metadata().unwrap().len();
    log.set_len(100 << 20).unwrap();
    assert_found(doctor(&place.url, &[]), &[("warning", "log size"), ("warning", "sweep")]);
    assert_found(doctor(&place.url, &["--largest-log", "200"]), &[("warning", "sweep")]);
    log.set_len(size).unwrap();
    place.done(&["sweep"]);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_found(doctor(&place.url, &[]), &[("wrong", "file mode")]);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
    assert_found(doctor(&place.url, &[]), &[("warning", "file mode")]);
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o600)).unwrap();
    drop(node);
    let file = rusqlite::Connection::open(place.file()).unwrap();
    file.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(file);
    assert_found(doctor(&place.url, &[]), &[("wrong", "journal")]);
    let journal: String = rusqlite::Connection::open(place.file())
        .unwrap()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "delete", "a check changes nothing");
}

/// C151: a database without `fsync`, and one that acknowledges commits before they are on disk.
#[tokio::test]
async fn a_database_that_loses_writes_is_found() {
    let unsafe_one = database("fsync = off\nfull_page_writes = off\nautovacuum = off\n").await;
    let expected = [("wrong", "fsync"), ("wrong", "full_page_writes"), ("wrong", "autovacuum")];
    assert_found(doctor(&unsafe_one.url(), &[]), &expected);
    let server = database("").await;
    server.execute("CREATE ROLE app; ALTER ROLE app SET synchronous_commit = off").await;
    assert_found(doctor(&server.url(), &[]), &[("wrong", "synchronous_commit")]);
    server.execute("ALTER ROLE app RESET ALL; ALTER DATABASE sessions SET synchronous_commit = off").await;
    assert_found(doctor(&server.url(), &[]), &[("wrong", "synchronous_commit")]);
    server.execute("ALTER DATABASE sessions RESET ALL").await;
    assert_found(doctor(&server.url(), &[]), &[]);
}

/// C151: a long transaction, a disabled trigger, a read-only database, and an asynchronous standby.
#[tokio::test]
async fn a_database_in_a_bad_state_is_found() {
    let server = database("").await;
    let client = server.client().await;
    client.batch_execute("BEGIN; SELECT 1 FROM session_record").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_found(doctor(&server.url(), &["--longest-transaction", "1"]), &[("warning", "transactions")]);
    assert_found(doctor(&server.url(), &[]), &[]);
    client.batch_execute("COMMIT; ALTER TABLE session_record DISABLE TRIGGER session_forget").await.unwrap();
    assert_found(doctor(&server.url(), &[]), &[("wrong", "triggers")]);
    client.batch_execute("ALTER TABLE session_record ENABLE TRIGGER session_forget").await.unwrap();
    client.batch_execute("ALTER DATABASE sessions SET default_transaction_read_only = on").await.unwrap();
    assert_found(doctor(&server.url(), &[]), &[("wrong", "role")]);
    let mut client = server.client().await;
    let transaction = client.build_transaction().read_only(false).start().await.unwrap();
    transaction.batch_execute("ALTER DATABASE sessions RESET ALL").await.unwrap();
    transaction.commit().await.unwrap();
    let standby = server.standby();
    assert_found(doctor(&server.url(), &[]), &[("warning", "replication")]);
    assert_eq!(findings(&doctor(&standby.url(), &[]).expect(1))[0], ("wrong", "role"));
}

/// C151: a Redis that evicts sessions, one that loses them at a restart, a replica, and a node of a cluster.
#[tokio::test]
async fn a_redis_that_loses_sessions_is_found() {
    let evicts = Redis::with(&["--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    assert_found(doctor(&evicts.url(), &[]), &[("wrong", "maxmemory-policy")]);
    let full = Redis::with(&["--appendonly", "yes", "--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]);
    assert_found(doctor(&full.url(), &[]), &[("warning", "memory")]);
    assert_found(doctor(&Redis::start().url(), &[]), &[("wrong", "appendonly")]);
    let snapshots = Redis::with(&["--save", "3600 1"]);
    assert_found(doctor(&snapshots.url(), &[]), &[("warning", "appendonly")]);
    let relaxed = Redis::with(&["--appendonly", "yes", "--appendfsync", "no"]);
    assert_found(doctor(&relaxed.url(), &[]), &[("warning", "appendonly")]);
    let port = relaxed.address().port().to_string();
    let replica = Redis::with(&["--appendonly", "yes", "--replicaof", "127.0.0.1", &port]);
    assert_found(doctor(&replica.url(), &[]), &[("wrong", "role")]);
    let cluster = Cluster::start();
    let node = doctor(&format!("redis://127.0.0.1:{}", cluster.masters()[0]), &[]);
    assert!(node.out.contains("use a redis-cluster: URL") || node.out.contains("MOVED"), "{node:?}");
}

/// C151: a Redis of which the user may not see the settings.
#[tokio::test]
async fn settings_that_may_not_be_seen_are_unknown() {
    let server = Redis::with(&["--appendonly", "yes"]);
    let rights = ["ACL", "SETUSER", "guest", "on", ">sesame", "~*", "+@all"];
    let may_not = |commands: &[&str]| {
        let mut command = redis::cmd(rights[0]);
        for word in rights[1..].iter().chain(commands) {
            command.arg(*word);
        }
        command.exec(&mut server.connect()).unwrap();
        doctor(&server.url().replace("redis://", "redis://guest:sesame@"), &[])
    };
    assert_found(may_not(&["-config"]), &[("unknown", "appendfsync")]);
    let blind = may_not(&["-info"]).expect(0);
    assert_eq!(findings(&blind), [("unknown", "settings")], "{blind:?}");
    assert!(blind.out.contains("needs the command INFO"), "{blind:?}");
}

/// C152: a clock that is 90 seconds off is found, on either kind of server.
#[tokio::test]
async fn a_clock_that_is_off_is_found() {
    let server = Redis::with(&["--appendonly", "yes"]);
    let ahead = doctor(&format!("redis://{}", in_the_future(server.address())), &[]);
    assert!(ahead.out.contains("90.0 s ahead of"), "{ahead:?}");
    assert_found(ahead, &[("wrong", "clock")]);
    let server = database("").await;
    let ahead = doctor(&postgres::url(in_the_future(server.address())), &[]);
    assert!(ahead.out.contains("90.0 s ahead of"), "{ahead:?}");
    assert_found(ahead, &[("wrong", "clock")]);
}

/// A proxy in front of a server that adds 90 seconds to each time in its answers.
fn in_the_future(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(from, to, |_| {}));
            std::thread::spawn(move || pass(server, client, add_90_seconds));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, change: fn(&mut [u8])) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        change(&mut piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            return;
        }
    }
}

/// A number of ten digits counts seconds since 1970, one of thirteen milliseconds.
fn add_90_seconds(piece: &mut [u8]) {
    for digits in piece.chunk_by_mut(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let later = match digits.len() {
            10 => 90,
            13 => 90_000,
            _ => continue,
        };
        if let Some(number) = str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok()) {
            let text = (number + later).to_string();
            digits.copy_from_slice(text.as_bytes());
        }
    }
}
