//! Tests of the shop from its clients' side. Each test has its own store and its own browser.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod page;

use rocket::figment::Figment;
use rocket::http::{ContentType, Header, Status};
use rocket::local::blocking::{Client, LocalResponse};
use session_runtime::MemoryStore;

/// Builds a client. It reads neither files nor environment, so that a test gives the same result everywhere.
fn browser() -> Client {
    let config = Figment::from(rocket::Config::debug_default()).merge(("log_level", "off"));
    let rocket = crate::build(rocket::custom(config), crate::sessions().store(MemoryStore::new()));
    Client::tracked(rocket).unwrap()
}

fn get(browser: &Client, path: &str) -> String {
    let response = browser.get(path.to_owned()).dispatch();
    assert_eq!(response.status(), Status::Ok, "{path}");
    response.into_string().unwrap()
}

fn post<'c>(browser: &'c Client, path: &str) -> LocalResponse<'c> {
    browser.post(path.to_owned()).dispatch()
}

/// Sends a form of the page; returns the target of the redirect.
fn send(browser: &Client, path: &str, form: &str) -> String {
    let response = browser.post(path.to_owned()).header(ContentType::Form).body(form).dispatch();
    assert_eq!(response.status(), Status::SeeOther, "{path}");
    response.headers().get_one("Location").unwrap().to_owned()
}

fn id(browser: &Client) -> Option<String> {
    browser.cookies().get("id").map(|cookie| cookie.value().to_owned())
}

mod interface {
    use super::*;

    #[test]
    fn ping_touches_no_session() {
        let browser = browser();
        let response = browser.get("/ping").dispatch();
        assert_eq!(response.headers().get_one("Vary"), None);
        assert_eq!(response.into_string().unwrap(), "ok");
    }

    #[test]
    fn looking_makes_no_session() {
        let browser = browser();
        assert_eq!(get(&browser, "/cart"), "{}");
        assert_eq!(get(&browser, "/prefs"), "{}");
        assert_eq!(get(&browser, "/whoami"), r#"{"user":null}"#);
        get(&browser, "/");
        assert_eq!(id(&browser), None);
    }

    #[test]
    fn adding_counts_up() {
        let browser = browser();
        assert_eq!(post(&browser, "/cart/add/3").into_string().unwrap(), "1");
        assert_eq!(post(&browser, "/cart/add/3").into_string().unwrap(), "2");
        assert_eq!(post(&browser, "/cart/add/4294967295").into_string().unwrap(), "1");
        assert_eq!(get(&browser, "/cart"), r#"{"3":2,"4294967295":1}"#);
    }

    #[test]
    fn a_product_is_a_number() {
        let browser = browser();
        for product in ["mug", "-1", "4294967296"] {
            assert_eq!(post(&browser, &format!("/cart/add/{product}")).status(), Status::UnprocessableEntity);
        }
        assert_eq!(id(&browser), None);
    }

    #[test]
    fn removing_takes_the_line() {
        let browser = browser();
        for path in ["/cart/add/1", "/cart/add/1", "/cart/add/2"] {
            post(&browser, path);
        }
        assert_eq!(post(&browser, "/cart/remove/1").status(), Status::NoContent);
        assert_eq!(get(&browser, "/cart"), r#"{"2":1}"#);
        assert_eq!(post(&browser, "/cart/remove/9").status(), Status::NoContent);
        assert_eq!(post(&browser, "/cart/clear").status(), Status::NoContent);
        assert_eq!(get(&browser, "/cart"), "{}");
    }

    #[test]
    fn preferences_are_kept_by_key() {
        let browser = browser();
        assert_eq!(post(&browser, "/prefs/theme/dark").status(), Status::NoContent);
        assert_eq!(post(&browser, "/prefs/a%20b%2Fc/%C3%A9%3C").status(), Status::NoContent);
        assert_eq!(get(&browser, "/prefs"), r#"{"a b/c":"é<","theme":"dark"}"#);
        assert_eq!(get(&browser, "/prefs/theme"), "dark");
        assert_eq!(browser.get("/prefs/sound").dispatch().status(), Status::NotFound);
    }

    #[test]
    fn a_login_gives_a_new_id_and_keeps_the_cart() {
        let browser = browser();
        post(&browser, "/cart/add/1");
        let before = id(&browser);
        assert_eq!(post(&browser, "/login/ann").status(), Status::NoContent);
        assert_ne!(id(&browser), before);
        assert_eq!(get(&browser, "/whoami"), r#"{"user":"ann"}"#);
        assert_eq!(get(&browser, "/cart"), r#"{"1":1}"#);
    }

    #[test]
    fn another_user_finds_nothing_of_the_first() {
        let browser = browser();
        post(&browser, "/login/ann");
        post(&browser, "/cart/add/1");
        assert_eq!(post(&browser, "/login/bob").status(), Status::NoContent);
        assert_eq!(get(&browser, "/whoami"), r#"{"user":"bob"}"#);
        assert_eq!(get(&browser, "/cart"), "{}");
    }

    #[test]
    fn a_name_has_a_length() {
        let browser = browser();
        let long = "n".repeat(41);
        assert_eq!(post(&browser, &format!("/login/{long}")).status(), Status::UnprocessableEntity);
        assert_eq!(post(&browser, "/login/%20").status(), Status::UnprocessableEntity);
        assert_eq!(get(&browser, "/whoami"), r#"{"user":null}"#);
        assert_eq!(post(&browser, &format!("/login/{}", "%C3%A9".repeat(40))).status(), Status::NoContent);
    }

    #[test]
    fn a_logout_ends_the_session() {
        let browser = browser();
        post(&browser, "/cart/add/1");
        post(&browser, "/login/ann");
        let cookie = Header::new("Cookie", format!("id={}", id(&browser).unwrap()));
        assert_eq!(post(&browser, "/logout").status(), Status::NoContent);
        assert_eq!(get(&browser, "/cart"), "{}");
        let late = browser.get("/whoami").header(cookie).dispatch();
        assert_eq!(late.into_string().unwrap(), r#"{"user":null}"#);
    }
}

mod settings {
    use rocket::Config;
    use rocket::figment::Figment;
    use rocket::figment::providers::{Format, Toml};

    fn store(figment: Figment) -> String {
        crate::with_store(figment).extract_inner("session.store").unwrap()
    }

    #[test]
    fn every_profile_has_the_file() {
        for config in [Config::debug_default(), Config::release_default()] {
            let figment = Figment::from(&config).select(config.profile);
            assert_eq!(store(figment), "sqlite://sessions.db");
        }
    }

    #[test]
    fn configuration_wins() {
        let file = Toml::string("[default.session]\nstore = \"sqlite://other.db\"").nested();
        let figment = Figment::from(Config::release_default()).merge(file);
        assert_eq!(store(figment.clone()), "sqlite://other.db");
        // `ROCKET_SESSION={…}` arrives as a value of the global profile, like this one.
        assert_eq!(store(figment.merge(("session.store", "memory:"))), "memory:");
    }
}
