//! The store by its URL in the configuration, from the first request to the logout.

use session_runtime::config::ServerConfig;
use session_runtime::{ErrorKind, RedisStore, SessionConfig, Sessions};
use session_tests::servers::redis::Redis;

use super::fixture::{create, key, now};

#[derive(session_runtime::Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    note: Option<String>,
}

fn configured(url: &str) -> Result<Sessions, session_runtime::SessionError> {
    let server = ServerConfig { namespace: Some("shop".into()), ..ServerConfig::default() };
    Sessions::builder().config(SessionConfig::new().store(url).server(server)).schemas::<Cart>().build()
}

#[tokio::test]
async fn a_url_is_enough() {
    let server = Redis::start();
    let sessions = configured(&server.url()).unwrap();
    let store = RedisStore::builder(server.url()).namespace("shop").open().unwrap();
    create(&store, 1, &[("cart", r#"{"v":1}"#), ("cart.note", "\"a\"")]).await;
    let cart = sessions.read::<Cart>(&key(1)).await.unwrap().unwrap();
    assert_eq!(cart.note().as_deref(), Some("a"));
    sessions.update::<Cart, _>(&key(1), |cart| cart.set_note("b".into())).await.unwrap().unwrap();
    let stored = session_runtime::Store::load(&store, key(1), &session_runtime::store::Wanted::all(), now()).await;
    assert_eq!(stored.unwrap().unwrap().record.values.get("cart.note"), Some("\"b\""));
    sessions.destroy(&key(1)).await.unwrap();
    assert!(sessions.read::<Cart>(&key(1)).await.unwrap().is_none());
}

#[test]
fn every_scheme_is_known_and_no_password_is_shown() {
    let known = ["redis://h", "rediss://h", "redis-cluster://a:1,b:2", "rediss-cluster://a:1", "REDIS://:pw@h/1"];
    for url in known.into_iter().chain(["redis+unix:///run/redis.sock?db=1&pass=pw"]) {
        assert!(configured(url).is_ok(), "{url}");
    }
    for url in [
        "redis:h",
        "redis://a,b",
        "redis://:geheim@h:port",
        "redis://:geheim@h/?protocol=7",
        "redis://",
        "redis+unix:///s?pass=geheim&db=x",
    ] {
        let error = configured(url).err().unwrap_or_else(|| panic!("{url} was taken"));
        assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::Unavailable), "{error:?}");
        let message = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!message.contains("geheim"), "{message}");
    }
}

/// A user and a password in unusual places of the URL, and a path that lacks a slash.
#[test]
fn a_socket_is_named_by_its_whole_path() {
    let text_of = |error: &dyn std::error::Error| format!("{error} {:?}", error.source());
    for url in ["redis+unix://app:geheim@localhost/run/redis.sock", "redis+unix://run/redis.sock"] {
        let message = text_of(&configured(url).err().unwrap_or_else(|| panic!("{url} was taken")));
        assert!(message.contains("redis+unix:///path") && !message.contains("geheim"), "{message}");
    }
    let refused = text_of(&RedisStore::builder("redis+unix:///s").root_certificates("any").open().unwrap_err());
    assert!(refused.contains("certificates need a `rediss:` URL"), "{refused}");
}
