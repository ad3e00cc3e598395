//! Sessions of which the engine has evicted a part.

use std::time::Duration;

use session_runtime::{CachedStore, ErrorKind, RedisStore, SessionError, Sessions, Store};
use session_tests::servers::redis::Redis;

#[derive(session_runtime::Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
    visits: u32,
}

#[derive(session_runtime::Session)]
#[session(key = "history", version = 1, lazy)]
struct History {
    page: String,
}

/// A user who is logged in and has a history, which the engine evicts. Gives the cookie.
async fn evicted(server: &Redis, sessions: &Sessions) -> String {
    let visit = sessions.open([]);
    visit.write::<Auth>().await.unwrap().set_user("anna".into());
    visit.write::<History>().await.unwrap().set_page("home".into());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let mut server = server.connect();
    let names: Vec<String> = redis::cmd("KEYS").arg("*:history").query(&mut server).unwrap();
    redis::cmd("DEL").arg(names).exec(&mut server).unwrap();
    cookie
}

/// The largest age of a copy in the cache.
const BOUND: Duration = Duration::from_millis(50);

fn over(store: impl Store) -> Sessions {
    Sessions::builder().store(store).schemas::<(Auth, History)>().build().unwrap()
}

#[track_caller]
fn assert_unreadable<T>(outcome: Result<T, SessionError>) {
    let error = outcome.err().expect("a lost part should be an error");
    assert_eq!((error.kind(), error.schema()), (ErrorKind::Unreadable, Some("history")));
    assert_eq!((error.kind().status(), error.retry_after()), (500, None), "trying again is of no use");
}

/// Behind a cache too: a lost part must not become a copy that reads as defaults.
#[tokio::test]
async fn an_evicted_part_fails_its_guards_and_the_login_stays() {
    let server = Redis::start();
    let stores: [fn(&str) -> Sessions; 2] = [
        |url| over(RedisStore::open(url).unwrap()),
        |url| over(CachedStore::new(RedisStore::open(url).unwrap()).bound(BOUND)),
    ];
    for sessions in stores.map(|open| open(&server.url())) {
        let cookie = evicted(&server, &sessions).await;
        let cookie = [cookie.as_str()];
        // Until then the copy of what was created is served.
        tokio::time::sleep(2 * BOUND).await;
        // The guard of the lost schema is the first of the request; then the second; then again.
        for first in [true, false, true] {
            let visit = sessions.open(cookie);
            if first {
                assert_unreadable(visit.read::<History>().await.map(drop));
            }
            assert_eq!(visit.read::<Auth>().await.unwrap().user().as_deref(), Some("anna"));
            assert_unreadable(visit.write::<History>().await.map(drop));
            *visit.write::<Auth>().await.unwrap().visits_mut() += 1;
            let finished = visit.finish(200).await;
            assert!(finished.error.is_none() && finished.cookie.header().is_none(), "{finished:?}");
        }
        let visit = sessions.open(cookie);
        assert_unreadable(visit.write::<History>().await.map(drop));
        assert!(visit.finish(200).await.cookie.header().is_none(), "the login must not be replaced");
        let visit = sessions.open(cookie);
        assert_eq!(*visit.read::<Auth>().await.unwrap().visits(), 3);
        let key = visit.key().unwrap();
        assert_unreadable(sessions.read::<History>(&key).await);
        assert_unreadable(sessions.update::<History, _>(&key, |history| history.set_page("x".into())).await);
        assert_eq!(*sessions.read::<Auth>(&key).await.unwrap().unwrap().visits(), 3);
    }
}

/// The part goes between the load and the save: nothing of the request is stored, and trying again is of no use.
#[tokio::test]
async fn a_part_that_is_evicted_before_the_save_fails_it() {
    let server = Redis::start();
    let sessions = over(RedisStore::open(server.url()).unwrap());
    let visit = sessions.open([]);
    visit.write::<History>().await.unwrap().set_page("home".into());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let visit = sessions.open([cookie.as_str()]);
    visit.write::<History>().await.unwrap().set_page("shop".into());
    *visit.write::<Auth>().await.unwrap().visits_mut() += 1;
    let mut redis = server.connect();
    let names: Vec<String> = redis::cmd("KEYS").arg("*:history").query(&mut redis).unwrap();
    redis::cmd("DEL").arg(names).exec(&mut redis).unwrap();
    let error = visit.finish(200).await.error.unwrap();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unreadable, None), "{error:?}");
    let visit = sessions.open([cookie.as_str()]);
    assert_eq!(*visit.read::<Auth>().await.unwrap().visits(), 0);
}

#[tokio::test]
async fn a_session_with_a_lost_part_can_be_ended() {
    let server = Redis::start();
    let sessions = over(RedisStore::open(server.url()).unwrap());
    let cookie = evicted(&server, &sessions).await;
    let visit = sessions.open([cookie.as_str()]);
    assert_unreadable(visit.read::<History>().await.map(drop));
    visit.destroy();
    assert!(visit.finish(200).await.error.is_none());
    let left: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server.connect()).unwrap();
    assert!(left.is_empty(), "{left:?}");
}
