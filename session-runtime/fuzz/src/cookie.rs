//! The `Cookie` header: exactly one cookie whose name is the session's byte for byte, or no session.

use std::sync::Arc;

use session_runtime::{CookieConfig, SessionConfig, Sessions};

use super::input::{Input, text};
use super::reference::{decode, encode, halves};
use super::world::{OneSessionStore, now, run};

const NAMES: [&str; 3] = ["__Host-Http-id", "id", "__Secure-id"];

struct Sites {
    store: Arc<OneSessionStore>,
    sessions: Vec<Sessions>,
    ids: [String; 2],
}

thread_local! {
    static SITES: Sites = Sites::new();
}

impl Sites {
    fn new() -> Self {
        let store = Arc::new(OneSessionStore::default());
        let site = |name| {
            let config = SessionConfig::new().cookie(CookieConfig::new().name(name).secure(true));
            Sessions::builder().store(store.clone()).clock(now).config(config).build().unwrap()
        };
        let sessions = NAMES.map(site).into();
        let one: [u8; 32] = std::array::from_fn(|at| 0xfb - u8::try_from(at).unwrap());
        Self { store, sessions, ids: [encode(&one), encode(&[7; 32])] }
    }
}

/// The first byte chooses the cookie's name; the rest are the header's lines, with short bytes for names and ids.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let which = input.choice(NAMES.len());
    SITES.with(|sites| {
        let pieces = [
            (1, NAMES[which]),
            (2, &*sites.ids[0]),
            (3, &*sites.ids[1]),
            (4, "%5F%5FHost-Http-id"),
            (5, "__HOST-Http-id"),
            (6, "\u{a0}"),
        ];
        let lines = text(input.0, &pieces);
        check_lines(sites, which, &lines.split('\n').collect::<Vec<_>>());
    });
}

fn check_lines(sites: &Sites, which: usize, lines: &[&str]) {
    let expected = expected(NAMES[which], lines);
    let session = expected.map(|id| halves(&id));
    sites.store.hold(session);
    let visit = sites.sessions[which].open(lines.iter().copied());
    run(visit.load()).unwrap();
    let key = session.map(|(key, _)| key);
    // Nothing but a canonical id ever reaches a store.
    assert_eq!(sites.store.asked(), Vec::from_iter(key));
    // The record holds the hash of the id found here, so a visit that opens it has found the same secret.
    assert_eq!(visit.key(), key);
}

/// The id that these lines present.
fn expected(name: &str, lines: &[&str]) -> Option<[u8; 32]> {
    decode(&only_value(name, lines)?)
}

/// The value of the one cookie of this name, found with as little cleverness as possible.
pub(super) fn only_value(name: &str, lines: &[&str]) -> Option<String> {
    let mut values = Vec::new();
    for line in lines {
        let (mut pair, mut end) = (Vec::new(), false);
        let mut bytes = line.bytes();
        while !end {
            match bytes.next() {
                Some(byte) if byte != b';' => {
                    pair.push(byte);
                    continue;
                }
                Some(_) => {}
                None => end = true,
            }
            if pair.first() == Some(&b' ') {
                pair.remove(0);
            }
            if let Some(equals) = pair.iter().position(|byte| *byte == b'=')
                && &pair[..equals] == name.as_bytes()
            {
                values.push(String::from_utf8(pair[equals + 1..].to_vec()).unwrap());
            }
            pair.clear();
        }
    }
    if values.len() == 1 { values.pop() } else { None }
}
