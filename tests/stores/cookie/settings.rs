//! Keys from the configuration: what is understood, and what stops the launch without showing a key.

use rocket::figment::Figment;
use rocket::figment::providers::{Format, Toml};
use rocket::local::blocking::Client;
use session_runtime::config::Transport;
use session_runtime::{CookieStore, SessionConfig, Sessions};
use session_tests::log::Log;

use super::routes::{All, routes};
use super::site::key;

fn figment(profile: &str, toml: &str) -> Figment {
    let base = rocket::Config::figment().select(profile).merge(("log_level", "off"));
    base.merge(("secret_key", "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=")).merge(Toml::string(toml).nested())
}

#[expect(clippy::result_large_err, reason = "the error is Rocket's own")]
fn launch(profile: &str, toml: &str) -> Result<Client, rocket::Error> {
    Log::listen();
    let rocket = rocket::custom(figment(profile, toml)).attach(Sessions::fairing::<All>()).mount("/", routes());
    Client::tracked(rocket)
}

/// Launches, and returns the reason of the refusal from the log. Rocket requires that its launch errors are read.
fn refused(profile: &str, settings: &str) -> String {
    let toml = format!("[default.session]\n{settings}");
    let log = Log::listen();
    let before = log.all().len();
    let launched = launch(profile, &toml);
    assert!(
        launched.is_err_and(|error| matches!(error.kind(), rocket::error::ErrorKind::FailedFairings(_))),
        "{settings}"
    );
    log.all()[before..].join("\n")
}

/// `store = "cookie:"` with one key or several, in any profile.
#[test]
fn keys_come_from_the_configuration() {
    let (one, two) = (key(), key());
    for settings in [
        format!("store = \"cookie:\"\nkeys = [\"{one}\"]"),
        format!("store = \"cookie:\"\nkeys = [\"{two}\", \"{one}\"]"),
        format!("store = \"COOKIE:\"\nkeys = \"{one}\""),
    ] {
        let client = launch("release", &format!("[default.session]\n{settings}")).unwrap();
        let answer = client.post("/add/7").dispatch();
        let line = answer.headers().get_one("set-cookie").unwrap().to_owned();
        assert!(
            line.starts_with("__Host-Http-id=A") && line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"),
            "{line}"
        );
        drop(answer);
        assert_eq!(client.get("/cart").dispatch().into_string().unwrap(), r#"{"7":1}"#, "{settings}");
    }
}

/// C42: without a key, with a short one, with zeros, with what is no text, the launch is refused each time, with how to
/// make one, and without a letter of what was written there.
#[test]
fn a_release_without_a_proper_key_does_not_launch() {
    let good = key();
    let zeros = "A".repeat(43);
    let short = good[..22].to_owned();
    let numbers = "1234567890".repeat(2);
    for (keys, secret) in [
        (String::new(), "-"),
        ("keys = []".into(), "-"),
        ("keys = \"\"".into(), "-"),
        (format!("keys = [\"{short}\"]"), &*short),
        (format!("keys = [\"{zeros}\"]"), &*zeros),
        (format!("keys = [\"{good}\", \"{short}\"]"), &*short),
        (format!("keys = [\"{good}\", \"{good}\"]"), &*good),
        (format!("keys = [{}]", &numbers[..18]), &numbers[1..18]),
        (format!("keys = {}", &numbers[..18]), &numbers[1..18]),
        (format!("keys = {{ first = \"{good}\" }}"), &*good),
        (format!("keys = [[\"{good}\"]]"), &*good),
    ] {
        for profile in ["debug", "release"] {
            let said = refused(profile, &format!("store = \"cookie:\"\n{keys}"));
            let told = said.lines().find(|line| line.contains("keys")).unwrap_or_else(|| panic!("{keys}: {said}"));
            assert!(told.contains("openssl rand -base64 32") || told.contains("a text in quotes"), "{told}");
            assert!(secret == "-" || !said.contains(secret), "{said}");
        }
    }
}

/// A cache in front of nothing stops the launch with the reason.
#[test]
fn a_cache_before_a_cookie_is_refused() {
    let said = refused("release", &format!("store = \"cookie:\"\nkeys = [\"{}\"]\ncache = \"1s\"", key()));
    assert!(said.contains("`session.cache`: sessions in cookies are on no server"), "{said}");
}

/// C83: a session in a cookie cannot travel in a header, so both settings together stop the launch, in code as well.
#[test]
fn another_transport_is_refused() {
    let reason = refused("release", &format!("store = \"cookie:\"\nkeys = [\"{}\"]\ntransport = \"bearer\"", key()));
    assert!(reason.contains("session.transport") && reason.contains("cookie store"), "{reason}");
    let config = SessionConfig::new().transport(Transport::Bearer);
    let store = CookieStore::new([key()]).unwrap();
    assert!(Sessions::builder().cookie_store(store).config(config).build().is_err());
}
