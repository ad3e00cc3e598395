//! A sealed cookie: opened if and only if it is one that was sealed, and what is inside is read as it was written.

use session_runtime::{CookieStore, Session, SessionConfig, SessionKey, Sessions};

use super::cookie::only_value;
use super::input::{Input, text};
use super::reference::encode;
use super::sealing::{Content, Sealing};
use super::world::{now, run};

const MASTERS: [[u8; 32]; 2] = [*b"the first of two keys: 012345678", *b"another of 32 letters: BCDFGHJKL"];
const NAME: &str = "__Host-Http-id";
const APPLICATION: &str = "fuzz";

#[derive(Session)]
#[session(key = "s", version = 1)]
struct Stored {
    text: String,
    #[session(merge = keys)]
    lines: std::collections::BTreeMap<u32, u32>,
}

struct Site {
    /// Seals with the first key, opens with both.
    sessions: Sessions,
    /// The same keys, as the documentation describes them.
    keys: [Sealing; 2],
    /// The sealed values, by either key.
    sealed: Vec<String>,
}

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let sessions = sessions(MASTERS);
        let keys = MASTERS.map(|master| Sealing::new(&master, NAME, APPLICATION));
        let old = self::sessions([MASTERS[1], MASTERS[0]]);
        let sealed = (0..8).map(|at| write(if at % 2 == 0 { &sessions } else { &old }, at)).collect();
        Self { sessions, keys, sealed }
    }

    /// Opens the value: the key of the session, if it opens one, and the cookie of the answer.
    fn open(&self, value: &str) -> (Option<SessionKey>, Option<String>) {
        self.open_lines(&[&format!("{NAME}={value}")])
    }

    fn open_lines(&self, lines: &[&str]) -> (Option<SessionKey>, Option<String>) {
        let visit = self.sessions.open(lines.iter().copied());
        run(visit.load()).unwrap();
        let key = visit.key();
        let finished = run(visit.finish(200));
        assert!(finished.error.is_none());
        (key, finished.cookie.header().map(value_of))
    }
}

fn sessions(masters: [[u8; 32]; 2]) -> Sessions {
    let store = CookieStore::new(masters.map(|master| encode(&master))).unwrap().application(APPLICATION);
    let config = SessionConfig::new().touch_every(session_runtime::expiry::TouchEvery::Off);
    Sessions::builder().cookie_store(store).clock(now).config(config).schemas::<Stored>().build().unwrap()
}

/// A cookie that a visitor would get.
fn write(sessions: &Sessions, at: u32) -> String {
    let visit = sessions.open([]);
    let mut guard = run(visit.write::<Stored>()).unwrap();
    guard.set_text("x".repeat(at as usize * 11));
    guard.lines_mut().extend((0..at).map(|line| (line, line * 70)));
    drop(guard);
    value_of(run(visit.finish(200)).cookie.header().unwrap())
}

fn value_of(header: &str) -> String {
    header.strip_prefix(NAME).unwrap().strip_prefix('=').unwrap().split(';').next().unwrap().to_owned()
}

/// The first byte chooses: lines of a header, a sealed text that was tampered with, or any content under a right seal.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    SITE.with(|site| match input.choice(3) {
        0 => {
            let mut pieces: Vec<_> = (1..).zip(&site.sealed).map(|(short, long)| (short, long.as_str())).collect();
            pieces.push((0x0e, NAME));
            let lines = text(input.0, &pieces);
            check_lines(site, &lines.split('\n').collect::<Vec<_>>());
        }
        1 => check_lines(site, &[&format!("{NAME}={}", tampered(site, &mut input))]),
        _ => check_content(site, &mut input),
    });
}

/// Nothing but what was sealed, letter by letter, is a session, in one cookie of the right name.
fn check_lines(site: &Site, lines: &[&str]) {
    let value = only_value(NAME, lines).filter(|value| site.sealed.contains(value));
    let sealed = value.is_some();
    let (key, cookie) = site.open_lines(lines);
    assert_eq!(key.is_some(), sealed, "{lines:?}");
    let by_new = value.is_some_and(|value| site.keys[0].open(&value).is_some());
    assert_eq!(cookie.is_some(), sealed && !by_new, "sealed anew if an older key had sealed it");
}

/// A few edits of one or two sealed texts.
fn tampered(site: &Site, input: &mut Input<'_>) -> String {
    let pick = |input: &mut Input<'_>| site.sealed[input.choice(site.sealed.len())].clone().into_bytes();
    let mut bytes = pick(input);
    while !input.is_empty() {
        let (how, at, with) = (input.choice(8), input.number().unsigned_abs(), input.byte());
        let at = usize::try_from(at % (bytes.len() as u64 + 1)).unwrap();
        match how {
            0 if at < bytes.len() => bytes[at] ^= 1 << (with % 7),
            1 if at < bytes.len() => bytes[at] = encode(&[with]).as_bytes()[0],
            2 => bytes.insert(at, with & 0x7f),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(..at)),
            5 => {
                let other = pick(input);
                bytes.truncate(at);
                bytes.extend(other.iter().skip(at));
            }
            6 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.rotate_left(at),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Under a right seal everything is read that the documentation calls a content and whose time is not over, and comes
/// out again under the newest key as it went in.
fn check_content(site: &Site, input: &mut Input<'_>) {
    let which = input.choice(2);
    let content = content(input);
    let value = site.keys[which].seal([input.byte(); 24], &content);
    let now = i64::try_from(now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let read = Content::read(&content).filter(|read| now < read.expires && now < read.ends);
    let (key, cookie) = site.open(&value);
    assert_eq!(key.map(|key| *key.as_bytes()), read.as_ref().map(|read| read.key), "{content:?}");
    if let (Some(read), Some(cookie)) = (read, cookie) {
        assert_eq!(which, 1, "the newest key has sealed it already");
        let again = Content::read(&site.keys[0].open(&cookie).unwrap()).unwrap();
        assert_eq!(again, Content { sealed: now, ..read });
    }
}

/// A head that is likely to be right, or what stands there; and values as they stand there.
fn content(input: &mut Input<'_>) -> Vec<u8> {
    if input.choice(4) == 0 {
        return input.0.to_vec();
    }
    // Sealed at the present moment; four moments of one byte each, the first two mostly ahead: an odd number is past.
    let ahead = |byte: u8| (byte & 0x7e) + u8::from(byte > 0xe0);
    let mut bytes = vec![0x80, 0xa8, 0xd6, 0xb9, 0x07];
    bytes.extend([ahead(input.byte()), ahead(input.byte()), input.byte() & 0x7f, input.byte() & 0x7f, 0]);
    bytes.extend([input.byte(); 16]);
    bytes.push(input.byte() & 0x7f);
    while !input.is_empty() {
        let piece = input.piece();
        match input.choice(8) {
            0 => bytes.extend(piece),
            how => {
                let name = text(piece, &[(1, "s."), (2, "s.lines/"), (3, "s")]);
                bytes.push(u8::try_from(how % 4).unwrap());
                for part in [name.as_bytes(), input.piece()] {
                    bytes.extend((part.len() > 127).then(|| part.len().to_le_bytes()[0] | 0x80));
                    bytes.push(
                        u8::try_from(if part.len() > 127 { part.len() >> 7 } else { part.len() } & 0x7f).unwrap(),
                    );
                    bytes.extend(part);
                }
            }
        }
    }
    bytes
}
