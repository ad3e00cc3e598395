//! Nothing of a visitor's in a log or an error, the client library's debug log included.

use session_runtime::store::Wanted;
use session_runtime::{SessionKey, Store};
use session_tests::log::Log;
use session_tests::servers::postgres::{PASSWORD, Postgres};

use super::session::{NOW, patient, record, set, whole};

const KEY: [u8; 16] = *b"a-session's-key!";
const TEXT: &str = "\"written-by-a-visitor\"";

/// C57: every level of the log: the statements are there, what was bound to them is not.
#[tokio::test]
async fn no_key_value_or_password_is_logged() {
    let log = Log::listen();
    let server = Postgres::start("log_statement = 'none'\nlog_min_error_statement = panic\nlog_min_messages = panic");
    let store = patient(server.url());
    let key = SessionKey::from_bytes(KEY);
    store.create(key, record(&[("cart.written-name", TEXT)])).await.unwrap();
    store.patch(key, set("cart.written-name", &format!("{TEXT} ")), NOW).await.unwrap();
    store.load(key, &Wanted::schemas(&["cart"]), NOW).await.unwrap();
    store.scan(None, 10, NOW).await.unwrap();
    // An error whose details quote the row, in the server's own words.
    store.delete(key).await.unwrap();
    server.execute("ALTER TABLE session_value ADD CONSTRAINT short CHECK (length(content) < 5)").await;
    let refused = store.create(key, record(&[("cart.written-name", TEXT)])).await.unwrap_err();

    let text = log.whole() + &whole(&refused);
    assert!(text.contains("executing statement"), "the client library logged nothing");
    assert!(text.contains("23514"), "{text}");
    let hidden =
        ["written-by-a-visitor", "written-name", "a-session's-key", &format!("{KEY:?}"), "97, 45, 115", PASSWORD];
    for secret in hidden {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}
