//! Keys and contents are in no log line, no `Debug` output and no error.

use session_runtime::{CookieStore, SessionConfig, Sessions};
use session_tests::http::Request;
use session_tests::log::Log;

use super::routes::{All, Cart};
use super::site::{Plan, key};

/// All that could give a key away: each spelling, and pieces of it.
fn traces(key: &str) -> Vec<String> {
    let bytes = session_tests::cookie::decode(key).unwrap();
    let listed = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let pieces = [key[..16].to_owned(), key[20..36].to_owned()];
    [session_tests::cookie::hex(&bytes), session_tests::cookie::hex(&bytes)[..16].to_owned(), listed]
        .into_iter()
        .chain(pieces)
        .collect()
}

/// C57: a whole life with every fault leaves no key, cookie or value in the library's log at TRACE.
#[test]
fn the_log_shows_neither_key_nor_content() {
    let (old, new) = (key(), key());
    let mut cookies = Vec::new();
    for keys in [vec![&*old], vec![&*new, &*old], vec![&*new]] {
        let site = Plan::new(&keys).launch();
        let mut visitor = site.browser();
        visitor.cookie = cookies.last().cloned();
        for path in ["/login/anna-hunter2", "/add/7", "/save/5000", "/fill/5000", "/renew", "/fail", "/random/7"] {
            visitor.post(path);
        }
        visitor.get("/jobs").expect(200);
        cookies.push(visitor.cookie());
        let pair = visitor.cookie().pair();
        for line in [format!("{pair}; {pair}"), format!("{pair}A"), pair[..60].to_owned()] {
            site.ask(&Request::get("/whoami").line(line)).expect(200);
        }
        assert!(!site.log_lines().is_empty());
    }
    let log = Log::listen().all().join("\n");
    assert!(log.contains("sealed_cookie") && log.contains("could not be saved"), "{log}");
    let secrets = [&old, &new].into_iter().flat_map(|key| traces(key)).chain(["hunter2".into()]);
    let pieces = cookies.iter().flat_map(|cookie| [cookie.value[..40].to_owned(), cookie.value[60..100].to_owned()]);
    for secret in secrets.chain(pieces) {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
}

/// C57: nor in the `Debug` output of anything that holds a key.
#[tokio::test]
async fn debug_shows_neither_key_nor_content() {
    let key = key();
    let store = || CookieStore::new([&key]).unwrap().application("shop");
    let config = SessionConfig::new().store("cookie:").keys([&key]);
    let sessions = Sessions::builder().cookie_store(store()).schemas::<All>().build().unwrap();
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_note("hunter2".into());
    let of_guard = format!("{cart:?} {cart:#?}");
    drop(cart);
    let finished = visit.finish(200).await;
    let value = session_tests::cookie::Cookie::of(finished.cookie.header().unwrap()).value;
    let fairing = Sessions::fairing::<All>().cookie_store(store()).config(config.clone());
    let builder = Sessions::builder().cookie_store(store()).config(config.clone());
    let errors = CookieStore::new([&key, &key]).map(drop).unwrap_err();
    let store = store();
    let holders = format!("{store:#?} {config:#?} {sessions:#?} {visit:#?} {finished:#?} {fairing:#?} {builder:#?}");
    let shown = format!("{of_guard} {holders} {errors:#?} {errors} {}", errors.chain());
    for secret in traces(&key).into_iter().chain(["hunter2".into(), value[..40].to_owned()]) {
        assert!(!shown.contains(&secret), "{secret} is in {shown}");
    }
}
