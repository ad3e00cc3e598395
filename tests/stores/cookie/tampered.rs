//! Only a cookie that was sealed for this very use, unchanged to the last bit, is a session. All others get the same
//! answer and one log line.

use session_runtime::CookieConfig;
use session_tests::cookie::{Cookie, decode, encode};
use session_tests::http::{Connection, Request};

use super::reference;
use super::sealing::{Content, Sealing};
use super::site::{Plan, Site, key};

const EVENT: &str = "sealed_cookie";

/// A site with a visitor who is logged in, and one connection for many tries.
struct Tries {
    site: Site,
    cookie: Cookie,
    connection: Connection,
    tried: usize,
}

impl Tries {
    fn of(plan: &Plan) -> Self {
        let site = plan.launch();
        let mut visitor = site.browser();
        visitor.post("/add/7").expect(200);
        visitor.post("/login/ada").expect(200);
        let (cookie, connection) = (visitor.cookie(), site.connect());
        Self { site, cookie, connection, tried: 0 }
    }

    fn events(&self) -> usize {
        self.site.log_lines().iter().filter(|line| line.contains(EVENT)).count()
    }

    /// Sends this value, and checks that the answer is the same as without a session.
    #[track_caller]
    fn refuses(&mut self, value: &str) {
        assert_ne!(value, self.cookie.value, "nothing was changed");
        let request = Request::get("/pages").cookie(&self.cookie.with_value(value));
        let answer = self.connection.ask(&request).unwrap().expect_silent(200);
        assert_eq!((answer.text().as_str(), answer.count("vary", "cookie")), ("0 ", 1), "{value}");
        self.tried += 1;
    }

    /// Each attempt was logged once, with the same line, and only the cookie was wrong.
    fn finish(self) -> usize {
        let lines = self.site.log_lines();
        assert_eq!(self.events(), self.tried, "one event each");
        let distinct: std::collections::BTreeSet<&String> = lines.iter().filter(|line| line.contains(EVENT)).collect();
        assert_eq!(distinct.len(), 1, "and always the same: {distinct:?}");
        let launch = ["Sessions: ", "store `cookie:`"];
        let is_other = |line: &&String| !line.contains(EVENT) && !launch.iter().any(|words| line.contains(words));
        let others: Vec<&String> = lines.iter().filter(is_other).collect();
        assert!(others.is_empty(), "{others:?}");
        let shown = self.site.browser_with(&self.cookie).shown();
        assert_eq!(shown, (r#"{"7":1}"#.into(), "ada".into()), "the cookie itself is good");
        self.tried
    }
}

/// C36: cut off anywhere, at its end or at its beginning.
#[test]
fn a_truncated_cookie_is_no_session() {
    let mut tries = Tries::of(&Plan::new(&[&key()]));
    let value = tries.cookie.value.clone();
    for length in 0..value.len() {
        tries.refuses(&value[..length]);
        tries.refuses(&value[value.len() - length..]);
    }
    assert!(tries.finish() > 200);
}

/// C36: every single bit of it, wherever it stands: in the version, the key's name, the nonce, the content, the tag.
#[test]
fn a_cookie_with_a_flipped_bit_is_no_session() {
    let mut tries = Tries::of(&Plan::new(&[&key()]));
    let bytes = decode(&tries.cookie.value).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        tries.refuses(&encode(&bytes));
    }
    let tried = tries.finish();
    assert_eq!(tried, bytes.len() * 8);
    println!("{tried} bits");
}

/// C36: each letter of the text by each other one, the spare bits of the last one included; and other spellings of it.
#[test]
fn another_spelling_of_a_cookie_is_no_session() {
    let mut tries = Tries::of(&Plan::new(&[&key()]));
    let value = tries.cookie.value.clone();
    let last = value.len() - 1;
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.%".chars() {
        for at in [0, 1, 7, 40, last - 1, last] {
            let other = format!("{}{letter}{}", &value[..at], &value[at + 1..]);
            if other != value {
                tries.refuses(&other);
            }
        }
        tries.refuses(&format!("{value}{letter}"));
        tries.refuses(&format!("{letter}{value}"));
    }
    for other in [format!("\"{value}\""), format!("{value} x"), format!("{value}=="), format!("%41{}", &value[1..])] {
        tries.refuses(&other);
    }
    tries.finish();
}

/// C36: parts of two good cookies of one key: nonce, tag and content of one with those of the other, and every splice.
#[test]
fn parts_of_two_cookies_are_no_session() {
    let mut tries = Tries::of(&Plan::new(&[&key()]));
    let mut other = tries.site.browser();
    other.post("/add/7").expect(200);
    other.post("/login/bob").expect(200);
    let other = other.cookie().value;
    let (a, b) = (decode(&tries.cookie.value).unwrap(), decode(&other).unwrap());
    assert_eq!(a.len(), b.len());
    for (from, to) in [(5, 29), (29, a.len() - 16), (a.len() - 16, a.len())] {
        let mut mixed = a.clone();
        mixed[from..to].copy_from_slice(&b[from..to]);
        tries.refuses(&encode(&mixed));
    }
    for at in 6..a.len() {
        // Where both have the same byte the splice may be one of the two.
        for mixed in [[&a[..at], &b[at..]].concat(), [&a[at..], &a[..at]].concat()] {
            if mixed != a && mixed != b {
                tries.refuses(&encode(&mixed));
            }
        }
    }
    tries.refuses(&format!("{}{other}", tries.cookie.value));
    tries.finish();
}

/// C36: the cookie of another name, of another application, of another purpose or version, of a stranger; sealed with
/// the right key, but for another use.
#[test]
fn a_cookie_of_another_place_is_no_session() {
    let key = key();
    let plan = || Plan { application: "shop", ..Plan::new(&[&key]) };
    let mut tries = Tries::of(&plan());
    let elsewhere = [
        Plan { cookie: CookieConfig::new().name("sid"), ..plan() },
        Plan { application: "forum", ..plan() },
        Plan { application: "", ..plan() },
        Plan { application: "Shop", ..plan() },
        Plan { cookie: CookieConfig::new().name("i"), application: "dshop", ..plan() },
        Plan { keys: vec![super::site::key()], ..plan() },
    ];
    for plan in elsewhere {
        let there = Tries::of(&plan);
        tries.refuses(&there.cookie.value);
    }
    let sealing = Sealing::new(&reference::decode::<32>(&key).unwrap(), "id", "shop");
    let content = sealing.open(&tries.cookie.value).unwrap();
    let nonce = [5; 24];
    let again = tries.cookie.with_value(sealing.seal(nonce, &content));
    assert_eq!(tries.site.browser_with(&again).shown().1, "ada", "a cookie that is sealed correctly opens");
    for (version, purpose) in [(0, "session"), (2, "session"), (255, "session"), (1, "flash"), (1, ""), (1, "Session")]
    {
        tries.refuses(&sealing.seal_as(version, purpose, nonce, &content));
    }
    tries.finish();
}

/// C36: a right seal around what is no content, as a program with a mistake might make it.
#[test]
fn a_right_seal_around_nonsense_is_no_session() {
    let key = key();
    let mut tries = Tries::of(&Plan::new(&[&key]));
    let sealing = Sealing::new(&reference::decode::<32>(&key).unwrap(), "id", "");
    let content = sealing.open(&tries.cookie.value).unwrap();
    let mut whole = 0;
    for end in 0..content.len() {
        // Between two values it ends as a shorter content would.
        if Content::read(&content[..end]).is_some() {
            whole += 1;
        } else {
            tries.refuses(&sealing.seal([5; 24], &content[..end]));
        }
    }
    assert!((2..10).contains(&whole), "{whole}");
    let with = |end: &[u8]| [&content[..], end].concat();
    for end in
        [&[0][..], &[3, 1, b'z', 1, b'1'], &[0, 1, 0xff, 1, b'1'], &[0, 1, b'a', 1, b'1'], &[0, 200, 200, 200, 200]]
    {
        tries.refuses(&sealing.seal([5; 24], &with(end)));
    }
    tries.refuses(&sealing.seal([5; 24], br#"{"v":1}"#));
    tries.finish();
}
