//! Settings from the configuration: what is understood, and what stops the launch.

use rocket::figment::Figment;
use rocket::figment::providers::{Format, Toml};
use rocket::http::Header;
use rocket::local::asynchronous::Client;
use session_runtime::{MemoryStore, Sessions};

use crate::app::Cart;

fn figment(profile: &str, toml: &str) -> Figment {
    let base = rocket::Config::figment().select(profile).merge(("log_level", "off"));
    base.merge(("secret_key", "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=")).merge(Toml::string(toml).nested())
}

/// Rocket wants its launch errors looked at.
fn refused<T>(launched: Result<T, rocket::Error>) -> bool {
    launched.is_err_and(|error| matches!(error.kind(), rocket::error::ErrorKind::FailedFairings(_)))
}

async fn launch(profile: &str, toml: &str) -> Result<Client, rocket::Error> {
    let fairing = Sessions::fairing::<Cart>().store(MemoryStore::new());
    Client::untracked(rocket::custom(figment(profile, toml)).attach(fairing).mount("/", rocket::routes![add])).await
}

#[rocket::post("/")]
fn add(mut cart: session_runtime::Session<Cart>) {
    cart.set_coupon("A".into());
}

async fn cookie(profile: &str, toml: &str) -> String {
    let client = launch(profile, toml).await.unwrap();
    let response = client.post("/").header(Header::new("X", "y")).dispatch().await;
    let line = response.headers().get_one("set-cookie").unwrap().to_owned();
    let (pair, attributes) = line.split_once("; ").unwrap();
    format!("{}; {attributes}", pair.split_once('=').unwrap().0)
}

/// B48: the name follows from what holds; every attribute can be set.
#[rocket::async_test]
async fn the_cookie_is_as_configured() {
    assert_eq!(cookie("debug", "").await, "id; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(cookie("release", "").await, "__Host-Http-id; Path=/; Secure; HttpOnly; SameSite=Lax");
    let secure = "[default.session.cookie]\nsecure = true";
    assert_eq!(cookie("debug", secure).await, "__Host-Http-id; Path=/; Secure; HttpOnly; SameSite=Lax");
    let path = "[default.session]\ncookie = { path = \"/shop\" }";
    assert_eq!(cookie("release", path).await, "__Secure-id; Path=/shop; Secure; HttpOnly; SameSite=Lax");
    let all = "[default.session]\nabsolute = \"2h\"\ncookie = { name = \"sid\", domain = \"example.org\", same_site = \"None\", persistent = true }";
    assert_eq!(
        cookie("release", all).await,
        "sid; Domain=example.org; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=7200"
    );
    let strict = "[default.session.cookie]\nsame_site = \"Strict\"";
    assert_eq!(cookie("debug", strict).await, "id; Path=/; HttpOnly; SameSite=Strict");
}

/// B59, C34: unknown keys, wrong values and insecure combinations stop the launch.
#[rocket::async_test]
async fn wrong_settings_stop_the_launch() {
    for table in [
        "ilde = \"1h\"",
        "idle = 5",
        "idle = \"soon\"",
        "idle = \"0s\"",
        "deadline = \"0s\"",
        "watch_every = \"0s\"",
        "watch_every = \"off\"",
        "idle = \"60d\"",
        "idle = \"2h\"\nabsolute = \"1h\"",
        "remember = \"29d\"",
        "remember = 90",
        "absolute = \"2h\"\nremember = \"1h\"",
        "touch_every = \"sometimes\"",
        "on_save_error = \"panic\"",
        "limits = { records = 1 }",
        "limits = { record = \"many\" }",
        "cookie = { nmae = \"x\" }",
        "cookie = { name = \"\" }",
        "cookie = { name = \"a b\" }",
        "cookie = { name = \"a=b\" }",
        "cookie = { name = \"a;b\" }",
        "cookie = { name = \"a\\u0000\" }",
        "cookie = { path = \"/\\u0000\" }",
        "cookie = { path = \"\" }",
        "cookie = { domain = \"a\\u0000\" }",
        "cookie = { path = \"shop\" }",
        "cookie = { path = \"/a;b\" }",
        "cookie = { path = \"/a\\r\\nb\" }",
        "cookie = { domain = \"a;b\" }",
        "cookie = { domain = \"\" }",
        "cookie = { same_site = \"None\", secure = false }",
        "cookie = { same_site = \"None\" }",
        "hold = { cart = 0 }",
        "hold = { cart = 2 }",
        "hold = { cart = \"1\" }",
        "hold = { basket = 1 }",
        "clear_site_data = \"cache\"",
        "clear_site_data = [\"cookies\"]",
        "transport = \"header\"",
        "transport = [\"cookie\", \"bearer\"]",
        "transport = \"bearer\"\ncookie = { persistent = true }",
        "transport = \"bearer\"\ntrusted_origins = [\"https://pay.example\"]",
        "transport = \"bearer\"\ncross_site_paths = [\"/callback/\"]",
        "cookie = { name = \"__Host-x\" }",
        "cookie = { name = \"__host-x\", secure = true, path = \"/a\" }",
        "cookie = { name = \"__Host-x\", secure = true, domain = \"example.org\" }",
        "cookie = { name = \"__Host-Http-x\", secure = true, path = \"/a\" }",
        "cookie = { name = \"__Secure-x\", secure = false }",
        "cookie = { name = \"__Http-x\", secure = false }",
    ] {
        assert!(refused(launch("debug", &format!("[default.session]\n{table}")).await), "{table}");
    }
    assert!(refused(launch("release", "[default.session]\ncookie = { secure = false }").await));
    assert!(refused(launch("staging", "[default.session]\ncookie = { secure = false }").await));
}

/// All keys together, in every form that the documentation gives.
#[rocket::async_test]
async fn right_settings_are_understood() {
    let table = "[default.session]\nstore = \"memory:\"\nidle = \"30m\"\nabsolute = \"12h\"\nremember = \"90d\"\ntouch_every = \"off\"\n\
                 renew_every = \"1h\"\nrenew_grace = \"5s\"\ndeadline = \"500ms\"\nwatch_every = \"5s\"\non_save_error = \"log\"\n\
                 limits = { record = \"64KiB\", keys = 100 }\nhold = { cart = 1 }\ntransport = \"cookie\"\nclear_site_data = true\ncookie = { secure = true, persistent = false }";
    assert!(launch("debug", table).await.is_ok());
    assert!(launch("debug", "[default.session]\nrenew_every = \"off\"\ntouch_every = \"1m\"").await.is_ok());
    assert!(launch("debug", "[default.session]\nabsolute = \"1h\"").await.is_ok(), "`idle` is shorter by default");
    assert!(launch("debug", "[default.session]\nremember = \"1y\"").await.is_ok());
    assert!(launch("debug", "[default.session]\ntransport = \"bearer\"").await.is_ok());
    assert!(launch("release", "[default.session]\ntransport = \"bearer\"\ncross_site = \"allow\"").await.is_ok());
    assert!(launch("debug", "[debug.session]\nidle = \"30m\"\n[release.session]\nidle = 5").await.is_ok());
}

/// Without a store a release profile does not launch; a URL that no store knows never does.
#[rocket::async_test]
async fn a_release_needs_a_store() {
    let launches = async |toml: &str| {
        let rocket = rocket::custom(figment("release", toml)).attach(Sessions::fairing::<Cart>());
        !refused(Client::untracked(rocket).await)
    };
    assert!(!launches("").await);
    assert!(!launches("[default.session]\nstore = \"mongodb://user:secret@host/\"").await);
    assert!(launches("[default.session]\nstore = \"memory:\"").await);
}
