//! Settings that would be insecure or mean nothing stop the launch, and the reason names the key.

use std::fs;

use crate::process::{Host, Profile};

/// Checks that the launch is refused and that the output holds all these words. Upper or lower case is one: Rocket
/// shows a key as the environment spells it.
#[track_caller]
fn assert_refused(profile: Profile, session: &str, words: &[&str]) {
    let output = Host::new().refusal(profile, session).to_lowercase();
    for word in words {
        assert!(
            output.contains(&word.to_lowercase()),
            "the reason for refusing {session} should name `{word}`:\n{output}"
        );
    }
}

/// The settings with a store, so that its absence is no second reason.
#[track_caller]
fn assert_cookie_refused(profile: Profile, cookie: &str, words: &[&str]) {
    assert_refused(profile, &format!("{{store=\"memory:\",cookie={cookie}}}"), words);
}

/// A misspelt key, which would silently leave the default.
#[test]
fn an_unknown_key_is_refused() {
    assert_refused(Profile::Debug, r#"{ilde="1h"}"#, &["ilde"]);
    assert_refused(Profile::Release, r#"{store="memory:",ilde="1h"}"#, &["ilde"]);
    assert_cookie_refused(Profile::Debug, r#"{same_sight="Lax"}"#, &["same_sight"]);
    assert_refused(Profile::Debug, r#"{store="memory:",limits={record_size="1MiB"}}"#, &["record_size"]);
}

/// C34: browsers drop a cookie with SameSite=None that is not Secure.
#[test]
fn same_site_none_without_secure_is_refused() {
    assert_cookie_refused(Profile::Debug, r#"{same_site="None"}"#, &["cookie.same_site", "secure"]);
}

/// C34: names, paths and domains that break the header or contradict the name's prefix.
#[test]
fn a_contradictory_or_broken_cookie_is_refused() {
    for profile in [Profile::Debug, Profile::Release] {
        assert_cookie_refused(profile, r#"{name="__Host-x",domain="a.de",secure=true}"#, &["__Host-", "domain"]);
        assert_cookie_refused(profile, r#"{name="__Host-x",path="/shop",secure=true}"#, &["__Host-", "path"]);
        for name in ["a b", "a;b", "a=b", "", "a,b", "ä", "a\\r\\nSet-Cookie: x"] {
            assert_cookie_refused(profile, &format!("{{name=\"{name}\"}}"), &["cookie.name"]);
        }
        for path in ["shop", "/a;Domain=b", "/a\\r\\nX: y"] {
            assert_cookie_refused(profile, &format!("{{path=\"{path}\"}}"), &["cookie.path"]);
        }
        for domain in ["a.de;Path=/", "a b", "a.de\\r\\nX: y"] {
            assert_cookie_refused(profile, &format!("{{domain=\"{domain}\"}}"), &["cookie.domain"]);
        }
    }
    assert_cookie_refused(Profile::Debug, r#"{name="__Host-x",domain="a.de"}"#, &["cookie"]);
    assert_cookie_refused(Profile::Debug, r#"{name="__Host-x"}"#, &["__Host-", "secure"]);
    assert_cookie_refused(Profile::Debug, r#"{name="__secure-x"}"#, &["cookie.name", "secure"]);
    assert_cookie_refused(Profile::Debug, r#"{name="__http-x"}"#, &["cookie.name", "secure"]);
}

/// Outside the debug profile the cookie is Secure.
#[test]
fn an_insecure_cookie_is_refused_in_the_release_profile() {
    assert_cookie_refused(Profile::Release, "{secure=false}", &["cookie.secure"]);
}

/// C83: settings of the cookie have no effect without one, and an unknown transport would leave the default.
#[test]
fn a_transport_without_cookies_refuses_the_settings_of_cookies() {
    let bearer = r#"{store="memory:",transport="bearer","#;
    assert_refused(Profile::Debug, &format!("{bearer}cookie={{name=\"sid\"}}}}"), &["session.cookie", "bearer"]);
    let trusted = format!("{bearer}trusted_origins=[\"https://pay.example\"]}}");
    assert_refused(Profile::Release, &trusted, &["session.trusted_origins", "bearer"]);
    assert_refused(Profile::Debug, r#"{store="memory:",transport="both"}"#, &["session.transport", "both"]);
}

/// A time without its unit means nothing.
#[test]
fn a_time_without_a_unit_is_refused() {
    for key in ["idle", "absolute", "touch_every", "watch_every", "renew_every", "renew_grace", "deadline"] {
        assert_refused(Profile::Debug, &format!("{{store=\"memory:\",{key}=5}}"), &[key]);
        assert_refused(Profile::Debug, &format!("{{store=\"memory:\",{key}=\"5\"}}"), &[key]);
    }
}

/// C58: an unknown store is named by its kind; the password in its address is nowhere.
#[test]
fn an_unknown_store_is_refused_without_its_password() {
    for address in ["mongodb://user:secret@h/", "user:secret@h", "postgress://user:secret@h/db?password=secret"] {
        let output = Host::new().refusal(Profile::Debug, &format!("{{store=\"{address}\"}}"));
        assert!(output.contains("store"), "the reason should name the key `store`:\n{output}");
        assert!(!output.contains("secret"), "the output shows the password of {address}:\n{output}");
    }
}

/// A file that is no database is refused and left as it was.
#[test]
fn a_text_file_is_no_database() {
    let host = Host::new();
    let text = "dear diary, ".repeat(1000);
    fs::write(host.database(), &text).unwrap();
    let output = host.refusal(Profile::Debug, &host.sqlite(""));
    assert!(output.contains("not an SQLite database"), "the reason should be that the file is no database:\n{output}");
    assert_eq!(fs::read_to_string(host.database()).unwrap(), text, "the file was changed");
}

/// B82: a folder that is not there is refused at the launch, not at the first request.
#[test]
fn a_database_in_a_missing_folder_is_refused() {
    let host = Host::new();
    let missing = host.database().with_file_name("missing").join("sessions.db");
    let output = host.refusal(Profile::Debug, &format!("{{store=\"sqlite://{}\"}}", missing.display()));
    assert!(output.contains("store") || output.contains("open"), "the reason should name the store:\n{output}");
}
