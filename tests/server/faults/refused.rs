//! Servers that answer, and take no writes: out of memory, read-only, with a full disk.

use super::app::{App, change};
use super::engine::{Engine, Kind, wait};
use crate::process::poll;
use session_tests::cookie::Cookie;
use session_tests::http::Request;
use session_tests::servers::redis::Redis;

/// Writes are refused from `begin` to `end`. Meanwhile sessions are read and every write gets 503. A visitor who logged
/// out before stays logged out, and a logout meanwhile fails visibly.
fn refuses_writes(what: &str, engine: &Engine, begin: impl FnOnce(), end: impl FnOnce()) {
    let app = App::at(&engine.url());
    let (visitor, gone) = (app.visitor(), app.visitor());
    app.ask(&change("logout", &gone)).expect(200);
    let before = engine.sessions();
    begin();
    assert_eq!(app.shown_at_last(&visitor).0, 1, "{what}");
    let writes = [
        change("add", &visitor),
        change("login", &visitor),
        change("renew", &visitor),
        Request::post("/pref/lang/de").cookie(&visitor),
        Request::post("/do/add"),
        change("add", &gone),
    ];
    for write in &writes {
        app.ask(write).expect_unavailable();
        assert_eq!(app.count(&visitor), 1, "{what}: reads go on");
        assert_eq!(app.count(&gone), 0, "{what}: a logged-out session stays ended");
    }
    app.assert_others_go_on();
    assert_eq!(engine.sessions(), before);
    end();
    assert_eq!(app.shown_at_last(&visitor), (1, None, [].into()), "{what}: the session is unharmed");
    assert_eq!(app.count(&gone), 0);
    app.at_last(&change("add", &visitor)).expect_silent(200);
    assert_eq!(app.count(&visitor), 2);
    println!("C67 {what}: {} kinds of writes answered 503, reads as before, nothing harmed", writes.len());
}

/// Asserts that the server itself refuses a write of the test.
fn assert_refuses(redis: &Redis, word: &str) {
    let refused = redis::cmd("SET").arg("own").arg("x").exec(&mut redis.connect());
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains(word)), "{refused:?}");
}

/// C67: Redis without memory left. A logout frees some, and works.
#[test]
fn a_redis_without_memory_serves_reads() {
    for kind in [Kind::Redis, Kind::Cluster] {
        let mut engine = Engine::start(kind);
        let ports = match kind {
            Kind::Cluster => engine.cluster().masters(),
            _ => vec![engine.redis().address().port()],
        };
        let limit = |bytes: &str| {
            for port in &ports {
                let node = &mut session_tests::servers::cluster::connect(*port);
                redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(node).unwrap();
            }
        };
        let begin = || {
            limit("1");
            let refused = |port| {
                let node = &mut session_tests::servers::cluster::connect(port);
                let info: String = redis::cmd("INFO").arg("memory").query(node).unwrap();
                assert!(info.contains("maxmemory:1\r\n") && info.contains("maxmemory_policy:noeviction"), "{info}");
            };
            ports.iter().copied().for_each(refused);
        };
        refuses_writes(&format!("{kind:?} without memory"), &engine, begin, || limit("0"));
        let app = App::at(&engine.url());
        let visitor = app.visitor();
        limit("1");
        let answer = app.ask(&change("logout", &visitor)).expect(200);
        assert_eq!(answer.new_cookie().value, "");
        assert_eq!(app.count(&visitor), 0);
        limit("0");
    }
}

/// C67: a server that became a replica of another, as after a failover to the wrong side.
#[test]
fn a_replica_serves_reads() {
    let engine = Engine::start(Kind::Redis);
    let other = Redis::start();
    let follow = |who: &Redis, whom: Option<&Redis>| {
        let mut command = redis::cmd("REPLICAOF");
        match whom {
            Some(whom) => command.arg("127.0.0.1").arg(whom.address().port()),
            None => command.arg("NO").arg("ONE"),
        };
        command.exec(&mut who.connect()).unwrap();
        if whom.is_some() {
            poll("the copy to be whole", || {
                let info: String = redis::cmd("INFO").arg("replication").query(&mut who.connect()).unwrap();
                info.contains("master_link_status:up").then_some(())
            });
        }
    };
    let begin = || {
        follow(&other, Some(engine.redis()));
        follow(&other, None);
        follow(engine.redis(), Some(&other));
        assert_refuses(engine.redis(), "read only replica");
    };
    refuses_writes("Redis as a replica", &engine, begin, || follow(engine.redis(), None));
}

/// C67: a database that is read-only, as on a standby.
#[test]
fn a_read_only_database_serves_reads() {
    let engine = Engine::start(Kind::Postgres);
    let set = |to: &str| {
        let server = engine.postgres();
        wait(server.execute(&format!("ALTER DATABASE sessions SET default_transaction_read_only = {to}")));
        assert!(engine.end_connections() > 0, "new connections only see it");
    };
    let begin = || {
        set("on");
        let refused = wait(async { engine.postgres().client().await.batch_execute("CREATE TABLE own ()").await });
        assert!(refused.is_err(), "the server takes writes");
    };
    let end = || {
        let client = wait(engine.postgres().client());
        // One by one: the first must hold before the second begins.
        for off in ["SET default_transaction_read_only = off", "ALTER DATABASE sessions RESET ALL"] {
            wait(client.batch_execute(off)).unwrap();
        }
        engine.end_connections();
    };
    refuses_writes("PostgreSQL read-only", &engine, begin, end);
}

/// C67: a disk without room for what is written. Sessions can be read, and nothing of the write is there.
#[test]
fn a_full_disk_serves_reads() {
    let engine = Engine::with_small_disk();
    let app = App::at(&engine.url());
    let visitor = app.visitor();
    let server = engine.postgres();
    wait(server.execute("CREATE TABLE ballast (piece text); ALTER TABLE ballast ALTER piece SET STORAGE EXTERNAL"));
    let refused = wait(async {
        let client = server.client().await;
        for piece in 0..1_000 {
            if client.execute("INSERT INTO ballast VALUES (repeat('x', 65536))", &[]).await.is_err() {
                return Some(piece);
            }
        }
        None
    });
    let pieces = refused.expect("the disk is not full");
    let fill = Request::post("/fill/7").cookie(&visitor);
    app.ask(&fill).expect_unavailable();
    app.ask(&Request::post("/fill/7")).expect_unavailable();
    assert_eq!((app.count(&visitor), engine.sessions()), (1, 1));
    assert_eq!(app.ask(&Request::get("/history").cookie(&visitor)).expect_silent(200).text(), "0");
    wait(server.execute("DROP TABLE ballast"));
    app.at_last(&fill).expect_silent(200);
    assert_eq!(app.ask(&Request::get("/history").cookie(&visitor)).expect_silent(200).text(), "102400");
    assert_eq!(app.count(&visitor), 1);
    println!("C67 PostgreSQL, disk full after {pieces} pieces: 2 writes answered 503, reads as before, and room again");
}

/// C67: a logout while the store refuses writes fails with 503, and the session stays.
#[test]
fn a_logout_that_is_refused_is_reported() {
    let engine = Engine::start(Kind::Redis);
    let app = App::at(&engine.url());
    let visitor: Cookie = app.visitor();
    redis::cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg(1).exec(&mut engine.redis().connect()).unwrap();
    assert_refuses(engine.redis(), "NOREPLICAS");
    app.ask(&change("logout", &visitor)).expect_unavailable();
    assert_eq!(app.count(&visitor), 1, "still there");
    redis::cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg(0).exec(&mut engine.redis().connect()).unwrap();
    assert_eq!(app.at_last(&change("logout", &visitor)).expect(200).new_cookie().value, "");
    assert_eq!(app.count(&visitor), 0);
}
