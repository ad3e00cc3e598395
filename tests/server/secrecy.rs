//! The secret half of an id exists in the cookie and nowhere else.

use std::fs;

use session_tests::cookie::{Cookie, encode, hex};
use session_tests::http::Request;

use crate::process::{Host, Profile, Shop, Storage};

/// Everything that ever carried an id: first write, login, another user, unknown, malformed, renewed, logged out.
fn use_many_ids(shop: &Shop) -> Vec<Cookie> {
    let mut ids = Vec::new();
    for product in 0..6 {
        let visitor = shop.visitor(product);
        shop.post("/cart/add/7", &visitor).expect_silent(200);
        shop.post("/prefs/lang/de", &visitor).expect_silent(204);
        let anna = shop.post("/login/anna", &visitor).expect(204).new_cookie();
        assert_eq!(shop.user(&anna).as_deref(), Some("anna"));
        shop.assert_anonymous(&visitor);
        shop.post("/cart/add/7", &visitor);
        let ben = shop.post("/login/ben", &anna).expect(204).new_cookie();
        if product % 2 == 0 {
            shop.post("/logout", &ben).expect(204);
            shop.post("/cart/add/7", &ben).expect(200);
        }
        shop.ask(&Request::get("/cart").line(format!("{}; {}", ben.pair(), anna.pair()))).expect_silent(200);
        ids.extend([visitor, anna, ben]);
    }
    ids
}

/// The forms in which an id could leak: as text, as bytes, in hexadecimal; whole, or its secret half alone.
fn leaks(cookie: &Cookie) -> Vec<(&'static str, Vec<u8>)> {
    let (bytes, secret) = (cookie.bytes(), cookie.secret());
    let numbers = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>();
    vec![
        ("the id's text", cookie.value.clone().into_bytes()),
        ("the id's bytes", bytes.to_vec()),
        ("the id in hexadecimal", hex(&bytes).into_bytes()),
        ("the end of the id's text", cookie.value.as_bytes()[22..].to_vec()),
        ("the secret's bytes", secret.to_vec()),
        ("the secret in base64url", encode(&secret).into_bytes()),
        ("the secret in base64", encode(&secret).replace('-', "+").replace('_', "/").into_bytes()),
        ("the secret in hexadecimal", hex(&secret).into_bytes()),
        ("the secret in upper-case hexadecimal", hex(&secret).to_uppercase().into_bytes()),
        ("the secret as a list of numbers", numbers(&secret).join(",").into_bytes()),
        ("the secret as Rust shows bytes", numbers(&secret).join(", ").into_bytes()),
    ]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// B24, C17, C57: neither the database, its write-ahead log, nor the output holds an id or its secret half.
#[test]
fn no_file_and_no_log_holds_an_id() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let ids = use_many_ids(&shop);

    let output = shop.output();
    assert!(output.contains("/login/anna"), "the log should show requests, or its search proves nothing:\n{output}");
    let files: Vec<(String, Vec<u8>)> = host
        .database_files()
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    let stored = |key: &[u8]| files.iter().any(|(_, bytes)| contains(bytes, key));
    let live = &ids[5];
    assert!(stored(&live.key()), "the key's bytes should be in the files, or their search proves nothing");

    for (name, bytes) in files.iter().chain([&("the output".to_owned(), output.into_bytes())]) {
        for cookie in &ids {
            for (what, needle) in leaks(cookie) {
                assert!(!contains(bytes, &needle), "{name} holds {what}");
            }
        }
    }
}
