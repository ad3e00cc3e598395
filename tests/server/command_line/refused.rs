//! Wrong input of every kind: a clear message, the exit status of its kind, and nothing changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use session_runtime::PostgresStore;
use session_tests::lookups::visitor;
use session_tests::servers::free_port;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use super::{Outcome, Place, contents, program, run};
use crate::process::Storage;

/// Every command that reads or changes sessions.
const COMMANDS: [&[&str]; 6] = [
    &["doctor"],
    &["count"],
    &["list"],
    &["show", "AAAAAAAAAAAAAAAAAAAAAA"],
    &["end", "--yes", "AAAAAAAAAAAAAAAAAAAAAA"],
    &["sweep"],
];

/// Runs every command on a store; each must be refused with these words.
#[track_caller]
fn assert_refused(url: &str, words: &[&str]) {
    for args in COMMANDS {
        let Outcome { status, out, err } = run(program(args).env("SESSION_STORE", url));
        let text = out + &err;
        assert_eq!(status.code(), Some(3), "{args:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
    }
}

/// C148: a password on the command line is refused in any form, and never repeated.
#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let url = "postgres://app:sesame@127.0.0.1/shop";
    for args in [
        &["count", "--store", url][..],
        &["count", &["--store=", url].concat()],
        &[url],
        &["--stoer", url, "count"],
        &["count", "--store", "redis+unix:///socket?pass=sesame"],
    ] {
        let refused = run(&mut program(args)).expect(2);
        assert!(refused.out.is_empty() && refused.err.contains("--store-file"), "{refused:?}");
        assert!(!refused.err.contains("sesame"), "{refused:?}");
    }
}

/// C148: wrong usage is explained, with status 2, and does not repeat a text that may be an id or a value.
#[test]
fn wrong_usage_is_explained_and_repeats_no_secret() {
    let place = Place::new(Storage::Sqlite);
    let id = "A".repeat(43);
    for (args, word) in [
        (&["show", "secret"][..], "22 letters"),
        (&["show", &id], "the id of a session"),
        (&["end", "--yes", &id], "the id of a session"),
        (&["list", "--by", "secret"], "auth.user=ann"),
        (&["end"], "KEY"),
        (&["end", "--by", "auth.user=ann", "AAAAAAAAAAAAAAAAAAAAAA"], "--by"),
        (&["list", "--limit", "many"], "--limit"),
        (&["migrate"], "migrate"),
    ] {
        drop(place.store());
        let refused = place.run(args).expect(2);
        assert!(refused.err.contains(word), "{refused:?}");
        assert!(!refused.err.contains("secret\"") && !refused.err.contains(&id), "{refused:?}");
    }
    let nowhere = run(&mut program(&["count"])).expect(2);
    assert!(nowhere.err.contains("SESSION_STORE"), "{nowhere:?}");
}

/// C148: a file may name the store; one that holds something else is not repeated.
#[tokio::test]
async fn a_file_may_name_the_store() {
    let place = Place::new(Storage::Sqlite);
    visitor(&place.node(SystemTime::now).await, "ann").await;
    let file = place.folder.path().join("url");
    let named = |text: &str| {
        fs::write(&file, text).unwrap();
        run(program(&["count", "--json", "--store-file"]).arg(&file))
    };
    assert!(named(&format!("{}\n", place.url)).expect(0).out.contains("\"alive\":1"));
    let wrong = named("sesame").expect(2);
    assert!(!wrong.err.contains("sesame") && wrong.err.contains("the URL of the store"), "{wrong:?}");
    let absent = run(&mut program(&["count", "--store-file", "/no/such/file"])).expect(2);
    assert!(absent.err.contains("/no/such/file"), "{absent:?}");
}

/// C148: URLs of no store, and of stores that no command reaches.
#[test]
fn a_url_of_no_store_is_refused() {
    assert_refused("mongodb://host/shop", &["no store has `mongodb:`"]);
    assert_refused("sessions.db", &["sqlite://file"]);
    assert_refused("memory:", &["on no server"]);
    assert_refused("cookie:", &["on no server"]);
    assert_refused("sqlite:///tmp/a?mode=ro", &["no parameters"]);
}

/// C149: a file that is missing, empty, of another program, of a newer format, or not to be read is refused and stays as
/// it is.
#[test]
fn a_file_that_is_no_store_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let url = format!("sqlite://{}", path.display());
    let check = |words: &[&str]| {
        let before = contents(folder.path());
        assert_refused(&url, words);
        assert_eq!(contents(folder.path()), before, "{words:?}");
    };
    check(&["does not exist"]);
    fs::write(&path, "").unwrap();
    check(&["is empty"]);
    fs::write(&path, "a text of many words, no database").unwrap();
    check(&["is not an SQLite database"]);
    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE entry (session); PRAGMA user_version = 7").unwrap();
    drop(other);
    check(&["of another program"]);
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA application_id = 1936028531; PRAGMA user_version = 99").unwrap();
    drop(newer);
    check(&["has format 99"]);
    let me = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    if me != b"0\n" {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        assert_refused(&url, &["cannot be opened"]);
    }
}

/// C149: a database without the tables, with newer ones, or without the right to read them is refused and stays as it
/// is.
#[tokio::test]
async fn a_database_that_is_no_store_is_refused_and_stays_as_it_is() {
    let server = Postgres::start("");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_refused(&server.url(), &["no tables of sessions"]);
    assert_eq!(server.ask(tables).await, 0);
    server.execute(&PostgresStore::sql("public")).await;
    server.execute("CREATE ROLE guest LOGIN PASSWORD 'sesame'").await;
    let guest = server.url().replace("owner:opensesame", "guest:sesame");
    assert_refused(&guest, &["42501"]);
    assert_refused(&server.url().replace("opensesame", "wrong"), &["wrong user or password"]);
    assert_refused(&server.url().replace("/sessions", "/none"), &["no such database"]);
    server.execute("UPDATE session_layout SET version = 99").await;
    assert_refused(&server.url(), &["format 99"]);
}

/// C149: a server that is down, or wants a password, is refused. Another program's keys are no sessions, and stay.
#[test]
fn a_server_that_is_down_or_refuses_is_reported() {
    assert_refused(&format!("redis://127.0.0.1:{}", free_port()), &["127.0.0.1", "refused"]);
    assert_refused(&format!("postgres://app@127.0.0.1:{}/shop", free_port()), &["127.0.0.1", "refused"]);
    assert_refused(&format!("redis-cluster://127.0.0.1:{}", free_port()), &["127.0.0.1"]);
    assert_refused(&Redis::with_password("sesame").url(), &["user or password"]);
    let server = Redis::start();
    let mut connection = server.connect();
    redis::cmd("SET").arg("session:{BAAAAAAAAAAAAAAAAAAAAA}").arg("other").exec(&mut connection).unwrap();
    redis::cmd("HSET").arg("session:else").arg("a").arg("b").exec(&mut connection).unwrap();
    let counted = run(program(&["count", "--json"]).env("SESSION_STORE", server.url())).expect(0);
    assert!(counted.out.contains("\"alive\":0") && counted.out.contains("\"unreadable\":1"), "{counted:?}");
    run(program(&["sweep"]).env("SESSION_STORE", server.url())).expect(0);
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut connection).unwrap(), 2);
}

/// C149: a field without an index is refused, and no index is created.
#[tokio::test]
async fn a_field_without_an_index_is_refused() {
    for place in [Storage::Sqlite, Storage::Postgres].map(Place::new) {
        visitor(&place.node(SystemTime::now).await, "ann").await;
        for args in [&["list", "--by", "cart.count=1"][..], &["end", "--yes", "--by", "cart.count=1"]] {
            let refused = place.run(args).expect(2);
            assert!(refused.err.contains("`cart.count` has no index"), "{refused:?}");
        }
    }
}

/// C149: a user with half of the rights reads sessions and ends none.
#[tokio::test]
async fn a_user_who_may_only_read_reads() {
    let server = Postgres::start("");
    server.execute(&PostgresStore::sql("public")).await;
    server
        .execute(
            "CREATE ROLE guest LOGIN PASSWORD 'sesame';
             GRANT SELECT ON session_layout, session_record, session_value TO guest",
        )
        .await;
    let guest = server.url().replace("owner:opensesame", "guest:sesame");
    let run = |args: &[&str]| run(program(args).env("SESSION_STORE", &guest));
    assert!(run(&["count"]).expect(0).out.starts_with("*\t*\t0\t0\t0\t0"));
    let refused = run(&["sweep"]).expect(3);
    assert!(refused.err.contains("42501"), "{refused:?}");
    let doctor = run(&["doctor"]).expect(1).out;
    assert!(doctor.contains("unknown\ttransactions\tneeds the role pg_read_all_stats"), "{doctor}");
    assert!(doctor.contains("warning\trights\t") && doctor.contains("DELETE on session_record"), "{doctor}");
}
