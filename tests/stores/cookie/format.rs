//! The format is the documented one: code that was written from the documentation opens cookies of the library and
//! seals cookies that the library opens.

use super::reference;
use super::sealing::{Content, Sealing};
use super::site::{Plan, key};

#[test]
fn the_seal_is_the_one_of_the_documentation() {
    let key = key();
    let site = Plan { application: "shop", ..Plan::new(&[&key]) }.launch();
    let mut visitor = site.browser();
    for path in ["/add/7", "/add/8", "/login/ada", "/renew", "/remember/60"] {
        visitor.post(path).expect(200);
    }
    let facts: serde_json::Value = visitor.get("/facts").json();
    let sealing = Sealing::new(&reference::decode(&key).unwrap(), "id", "shop");
    let content = Content::read(&sealing.open(&visitor.cookie().value).unwrap()).unwrap();
    let now = site.clock.timestamp().as_millis();
    assert_eq!((content.sealed, content.created, content.touched, content.expires), (now, now, now, now + 60_000));
    assert_eq!((content.expiry, content.generation), ((1, 60_000), 2));
    assert_eq!(facts["key"], reference::encode(&content.key));
    let values: Vec<(&str, &str)> = content.values.iter().map(|(name, text)| (&**name, &**text)).collect();
    let metadata = |text: &str| text.contains("\"v\":1");
    let fields: Vec<_> = values.iter().filter(|(name, _)| name.contains('.')).copied().collect();
    let proof = format!("{{\"at\":{now},\"g\":1}}");
    let cart = [("cart.items/7", "1"), ("cart.items/8", "1")];
    assert_eq!(fields, [&[("auth.user", "\"ada\"")][..], &cart, &[("session.proof", &proof)]].concat());
    assert!(values.iter().filter(|(name, _)| !name.contains('.')).all(|(_, text)| metadata(text)), "{values:?}");
}

/// A cookie of the first release, as its documentation describes it; what opens it now must open it for as long as its
/// deadline may be ahead.
#[test]
fn a_cookie_of_the_first_release_opens() {
    const KEY: [u8; 32] = *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20";
    let site = Plan::new(&[&reference::encode(&KEY)]).launch();
    site.clock.set(session_runtime::clock::Timestamp::from_millis(1_790_000_000_000));
    let cookie = session_tests::cookie::Cookie { name: "id".into(), value: GOLDEN.into() };
    assert_eq!(site.browser_with(&cookie).shown(), (r#"{"7":2}"#.into(), "ada".into()));
}

const GOLDEN: &str = "AfNIhK9ZU2wNQD-c47qYNAo4JgUEayKFWEGZruHpgjF-msvivSM6H_dTMRx5SCr0TorkMKTlVYfrhjtJbyryfBx5qbkGmP7-FXdq\
    eY381W0FW9si6NC7n_u6zH0olwf0zxVwuy_2_TjrQEui8cpqCb24-BfXFyivl1VEm2PDwN5X7GXrWPL7ARG2UmDFfA";
