//! Ids and keys: one spelling each, and every other text is refused.

use std::sync::Arc;

use session_runtime::{SessionKey, Sessions};

use super::input::{Input, text};
use super::reference::{decode, encode, halves};
use super::world::{OneSessionStore, now, run};

struct Site {
    store: Arc<OneSessionStore>,
    sessions: Sessions,
}

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let store = Arc::new(OneSessionStore::default());
        let sessions = Sessions::builder().store(store.clone()).clock(now).build().unwrap();
        Self { store, sessions }
    }

    /// Asserts that the library takes the text for an id exactly if the reference does, and for the same id.
    fn present(&self, text: &str) {
        let session = decode(text).map(|id| halves(&id));
        self.store.hold(session);
        let cookie = format!("__Host-Http-id={text}");
        let visit = self.sessions.open([&*cookie]);
        run(visit.load()).unwrap();
        let key = session.map(|(key, _)| key);
        assert_eq!(self.store.asked(), Vec::from_iter(key), "{text:?}");
        assert_eq!(visit.key(), key, "{text:?}");
    }

    /// The id that goes out after a renewal is written canonically, and has the same key.
    fn renew(&self, id: &[u8; 32]) {
        let (key, secret) = halves(id);
        self.store.hold(Some((key, secret)));
        let cookie = format!("__Host-Http-id={}", encode(id));
        let visit = self.sessions.open([&*cookie]);
        visit.renew();
        let finished = run(visit.finish(200));
        let header = finished.cookie.header().unwrap();
        let value = header.strip_prefix("__Host-Http-id=").unwrap().split(';').next().unwrap();
        let next: [u8; 32] = decode(value).unwrap();
        assert!(next[..16] == id[..16] && next[16..] != id[16..]);
    }
}

/// The first byte chooses: the rest as a text, or 32 bytes as an id and its other spellings.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    match input.choice(2) {
        0 => check_text(&text(input.0, &[])),
        _ => check_spellings(&mut input),
    }
}

fn check_text(text: &str) {
    let expected = decode(text).map(SessionKey::from_bytes);
    assert_eq!(text.parse::<SessionKey>().ok(), expected);
    let json = serde_json::to_string(text).unwrap();
    assert_eq!(serde_json::from_str::<SessionKey>(&json).ok(), expected);
    if let Some(key) = expected {
        assert_eq!(key.to_string(), text);
        assert_eq!(serde_json::to_string(&key).unwrap(), json);
    }
    if !text.contains(';') {
        SITE.with(|site| site.present(text));
    }
}

fn check_spellings(input: &mut Input<'_>) {
    let id: [u8; 32] = std::array::from_fn(|_| input.byte());
    let good = encode(&id);
    let key = SessionKey::from_bytes(id[..16].try_into().unwrap());
    assert_eq!(key.to_string(), encode(&id[..16]));
    assert_eq!(decode::<32>(&good), Some(id));
    SITE.with(|site| {
        site.present(&good);
        site.renew(&id);
        site.present(&other_spelling(&good, input));
    });
}

/// The same id as a careless decoder would read it, or one letter of it changed.
fn other_spelling(good: &str, input: &mut Input<'_>) -> String {
    let (how, at, letter) = (input.choice(10), input.choice(43), char::from(input.byte() & 0x7f));
    let swap = |with: char| good.char_indices().map(|(i, c)| if i == at { with } else { c }).collect::<String>();
    let other = match how {
        0 => format!("{good}="),
        1 => format!("{good} "),
        2 => format!(" {good}"),
        3 => format!("\"{good}\""),
        4 => good.replace('-', "+").replace('_', "/"),
        5 => good.to_ascii_uppercase(),
        6 => good[..42].to_owned(),
        7 => format!("{}%{:02X}{}", &good[..at], good.as_bytes()[at], &good[at + 1..]),
        8 => format!("{}{letter}", &good[..42]),
        _ => swap(letter),
    };
    other.replace(';', ",")
}
