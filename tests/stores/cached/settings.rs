//! `SessionConfig::cache`, and what stands in `Rocket.toml`.

use std::time::Duration;

use rocket::local::asynchronous::Client;
use session_runtime::clock::{Clock, SystemClock, Timestamp};
use session_runtime::patch::Patch;
use session_runtime::record::{Record, Values};
use session_runtime::testing::head_at;
use session_runtime::{Session, SessionConfig, SessionKey, Sessions, SqliteStore, Store};
use session_tests::log::Log;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

/// A file, and what a program reads of it before and after another one has changed it.
async fn before_and_after(config: impl FnOnce(SessionConfig) -> SessionConfig) -> [Option<String>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let now: Timestamp = SystemClock.now().into();
    let values = Values::from_iter([("cart".into(), r#"{"v":1}"#.into()), ("cart.coupon".into(), "\"A\"".into())]);
    let other = SqliteStore::open(&file).unwrap();
    other.create(KEY, Record::new(head_at(now.as_millis()), values)).await.unwrap();

    let config = config(SessionConfig::new().store(format!("sqlite://{}", file.display())));
    let sessions = Sessions::builder().config(config).schemas::<Cart>().build().unwrap();
    let coupon = async || sessions.read::<Cart>(&KEY).await.unwrap().unwrap().coupon().clone();
    let before = coupon().await;
    let set = [("cart.coupon", "\"B\"")];
    other.patch(KEY, Patch::on_generation(0).set(set), now).await.unwrap();
    [before, coupon().await]
}

/// The store that a URL names gets the cache that the settings ask for.
#[tokio::test]
async fn the_setting_puts_a_cache_in_front() {
    let [before, after] = before_and_after(|config| config.cache(Duration::from_secs(60 * 60))).await;
    assert_eq!((before.as_deref(), after.as_deref()), (Some("A"), Some("A")));
}

/// Without it every read asks the store.
#[tokio::test]
async fn there_is_no_cache_unless_asked_for() {
    let [before, after] = before_and_after(|config| config).await;
    assert_eq!((before.as_deref(), after.as_deref()), (Some("A"), Some("B")));
}

/// A bound of zero would be no cache, so it is refused. Leaving the setting out means no cache.
#[test]
fn a_bound_of_zero_is_refused() {
    let config = SessionConfig::new().store("memory:").cache(Duration::ZERO);
    let error = Sessions::builder().config(config).build().unwrap_err().to_string();
    assert!(error.contains("`session.cache` must be at least 1 ms"), "{error}");
}

#[rocket::post("/")]
fn choose(mut cart: Session<Cart>) {
    cart.set_coupon("A".into());
}

#[rocket::get("/")]
fn show(cart: &Cart) -> Option<String> {
    cart.coupon().clone()
}

/// The answer of a program with this setting in its `Rocket.toml`, after another program has changed the file.
async fn answer_after_a_change(cache: &str) -> Option<String> {
    // Before Rocket installs a logger of its own, which would keep the other tests of this process from the log.
    Log::listen();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let figment = rocket::Config::figment()
        .merge(("log_level", "off"))
        .merge(("session.store", format!("sqlite://{}", file.display())))
        .merge(("session.cache", cache));
    let rocket = rocket::custom(figment).attach(Sessions::fairing::<Cart>());
    let client = Client::tracked(rocket.mount("/", rocket::routes![choose, show])).await.unwrap();
    assert_eq!(client.post("/").dispatch().await.status().code, 200);
    assert_eq!(client.get("/").dispatch().await.into_string().await.as_deref(), Some("A"));

    let (other, now) = (SqliteStore::open(&file).unwrap(), SystemClock.now().into());
    let key = other.scan(None, 1, now).await.unwrap().sessions[0].0;
    let set = [("cart.coupon", "\"B\"")];
    other.patch(key, Patch::on_generation(0).set(set), now).await.unwrap();
    client.get("/").dispatch().await.into_string().await
}

/// `cache = "1h"` and `cache = "off"` in the table `session`.
#[rocket::async_test]
async fn the_key_in_rocket_toml_does_the_same() {
    assert_eq!(answer_after_a_change("1h").await.as_deref(), Some("A"));
    assert_eq!(answer_after_a_change("off").await.as_deref(), Some("B"));
}
