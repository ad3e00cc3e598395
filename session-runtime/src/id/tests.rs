use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use super::*;

thread_local! {
    static SCRIPT: RefCell<VecDeque<u8>> = const { RefCell::new(VecDeque::new()) };
}

/// Returns a source of exactly these bytes. After them it fails, as the operating system may.
pub(crate) fn source(bytes: impl IntoIterator<Item = u8>) -> Random {
    SCRIPT.set(bytes.into_iter().collect());
    Random(|bytes| SCRIPT.with_borrow_mut(|script| bytes.iter_mut().try_for_each(|byte| draw(script, byte))))
}

fn draw(script: &mut VecDeque<u8>, byte: &mut u8) -> Result<(), RandomError> {
    *byte = script.pop_front().ok_or(RandomError)?;
    Ok(())
}

pub(crate) fn is_used_up() -> bool {
    SCRIPT.with_borrow(VecDeque::is_empty)
}

fn bytes_of(id: &SessionId) -> BTreeSet<u8> {
    id.key.0.into_iter().chain(id.secret).collect()
}

/// If the secret were computed from the key, a key in an admin page would be enough to forge the session.
#[test]
fn an_id_is_thirty_two_bytes_of_the_source_each_used_once() {
    let id = SessionId::new(source(0..32)).unwrap();
    assert_eq!(bytes_of(&id), (0..32).collect());
    assert!(is_used_up());
    let other = SessionId::new(source((0..16).chain(100..116))).unwrap();
    assert!(other.key == id.key && other.secret != id.secret, "the secret follows from the key");
    let other = SessionId::new(source((100..116).chain(16..32))).unwrap();
    assert!(other.key != id.key && other.secret == id.secret, "the key follows from the secret, or the secret from it");
}

/// A renewed secret depends neither on the key nor on any other known value.
#[test]
fn a_renewed_secret_is_sixteen_bytes_of_the_source() {
    for key in [SessionKey([0; 16]), SessionKey([200; 16])] {
        let id = SessionId::renewed(key, source(0..16)).unwrap();
        assert!(id.key == key && is_used_up());
        assert_eq!(id.secret.into_iter().collect::<BTreeSet<_>>(), (0..16).collect());
    }
}

/// An id consists of random bytes only: without enough of them there is none.
#[test]
fn a_source_that_runs_dry_gives_no_id() {
    for bytes in [0, 1, 15, 16, 17, 31] {
        assert_eq!(SessionId::new(source(0..bytes)).unwrap_err(), RandomError, "{bytes} bytes");
    }
    for bytes in [0, 1, 15] {
        let renewed = SessionId::renewed(SessionKey([1; 16]), source(0..bytes));
        assert_eq!(renewed.unwrap_err(), RandomError, "{bytes} bytes");
    }
}

/// No bit of an id is constant or an exclusive or of other bits: the 257 columns of 600 ids are linearly independent.
#[test]
fn no_bit_of_an_id_is_a_sum_of_others() {
    let mut rows: Vec<[u64; 5]> = (0..600).map(|_| row(&SessionId::new(Random::default()).unwrap())).collect();
    let mut rank = 0;
    for column in 0..257 {
        let has = |row: &[u64; 5]| row[column / 64] >> (column % 64) & 1 == 1;
        let Some(at) = rows[rank..].iter().position(has) else { continue };
        rows.swap(rank, rank + at);
        let pivot = rows[rank];
        for row in rows[rank + 1..].iter_mut().filter(|row| has(row)) {
            row.iter_mut().zip(pivot).for_each(|(bits, pivot)| *bits ^= pivot);
        }
        rank += 1;
    }
    assert_eq!(rank, 257);
}

/// Returns the bits of an id, and a last column of ones, which reveals complements and constants.
fn row(id: &SessionId) -> [u64; 5] {
    let (key, secret) = (u128::from_le_bytes(id.key.0), u128::from_le_bytes(id.secret));
    let half = |number: u128| [number, number >> 64].map(|part| u64::try_from(part & u128::from(u64::MAX)).unwrap());
    let ([a, b], [c, d]) = (half(key), half(secret));
    [a, b, c, d, 1]
}

/// Two processes draw different ids, whatever else they have in common.
#[test]
fn ids_of_two_processes_differ() {
    const CHILD: &str = "SESSION_RUNTIME_PRINTS_AN_ID";
    let draw = || SessionId::new(Random::default()).unwrap().to_cookie();
    if std::env::var_os(CHILD).is_some() {
        println!("drawn {}", draw());
        return;
    }
    let child = || {
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "--nocapture", "id::tests::ids_of_two_processes_differ"]).env(CHILD, "1");
        String::from_utf8(test.output().unwrap().stdout).unwrap()
    };
    let ids: BTreeSet<String> = [child(), child()].iter().filter_map(|shown| drawn(shown)).chain([draw()]).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let keys: BTreeSet<&str> = ids.iter().map(|id| &id[..21]).collect();
    assert_eq!(keys.len(), 3, "{ids:?}");
}

fn drawn(shown: &str) -> Option<String> {
    shown.split_once("drawn ").map(|(_, id)| id.trim_start()[..ID_CHARS].to_owned())
}

/// Cookies and hashes outlive the program: if these bytes changed, the next release would log out all users.
#[test]
fn the_cookie_and_the_hash_of_an_id_never_change() {
    let id = SessionId::from_bytes(b"ABCDEFGHIJKLMNOPabcdefghijklmnop");
    assert_eq!(id.to_cookie(), "QUJDREVGR0hJSktMTU5PUGFiY2RlZmdoaWprbG1ub3A");
    assert_eq!(id.key.to_string(), "QUJDREVGR0hJSktMTU5PUA");
    let hash = [0xe081_3258_a678_641f_65a1_a372_db65_1cab_u128, 0x874c_594e_cee5_f22f_b143_d45c_458c_005e];
    assert_eq!(id.secret_hash().as_bytes()[..16], hash[0].to_be_bytes());
    assert_eq!(id.secret_hash().as_bytes()[16..], hash[1].to_be_bytes());
}

/// Every bit of key and secret affects the hash, and every bit of the hash affects the comparison.
#[test]
fn no_bit_of_an_id_or_of_a_hash_is_ignored() {
    let bytes = [0x5a; 32];
    let hash = SessionId::from_bytes(&bytes).secret_hash();
    for bit in 0..256 {
        let flipped = |mut bytes: [u8; 32]| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        assert!(SessionId::from_bytes(&flipped(bytes)).secret_hash() != hash, "bit {bit} of the id");
        assert!(SecretHash(flipped(hash.0)) != hash, "bit {bit} of the hash");
    }
}

#[test]
fn a_key_has_one_text() {
    let key = SessionKey([0xfb; 16]);
    let text = key.to_string();
    assert_eq!((text.len(), text.parse()), (KEY_CHARS, Ok(key)));
    assert_eq!(serde_json::from_str::<SessionKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    let wrong = [&text[1..], &format!("{text}A"), &format!("{}_", &text[..21]), &text.replace('-', "+"), ""];
    for text in wrong {
        assert_eq!(text.parse::<SessionKey>(), Err(InvalidKey), "{text}");
        assert!(serde_json::from_str::<SessionKey>(&format!("\"{text}\"")).is_err(), "{text}");
    }
}

#[test]
fn id_survives_the_cookie() {
    let id = SessionId::new(Random::default()).unwrap();
    let cookie = id.to_cookie();
    let back = SessionId::parse(&cookie).unwrap();
    assert_eq!(cookie.len(), ID_CHARS);
    assert_eq!((back.key, back.secret), (id.key, id.secret));
}

/// C03, C04: exactly one spelling of 32 bytes is accepted.
#[test]
fn other_spellings_of_an_id_are_refused() {
    let good = SessionId::from_bytes(&[0xfb; 32]).to_cookie();
    assert!(good.contains('-') && SessionId::parse(&good).is_some());
    let last = good.as_bytes()[42];
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for tail in alphabet.bytes().filter(|tail| *tail != last) {
        let other = format!("{}{}", &good[..42], char::from(tail));
        let parsed = SessionId::parse(&other);
        // 43 characters hold 258 bits: the last two must be zero.
        let position = alphabet.bytes().position(|byte| byte == tail).unwrap();
        assert_eq!(parsed.is_some(), position % 4 == 0, "{other}");
    }
    let wrong = [good.to_uppercase(), good.replace('-', "+"), format!("{good}="), good[..42].to_owned(), String::new()];
    for text in wrong {
        assert!(SessionId::parse(&text).is_none(), "{text}");
    }
}

#[test]
fn the_hash_covers_key_and_secret() {
    let id = SessionId::from_bytes(&[1; 32]);
    let other_key = SessionId { key: SessionKey([2; 16]), ..id };
    let other_secret = SessionId { secret: [2; 16], ..id };
    assert!(id.secret_hash() == id.secret_hash());
    assert!(id.secret_hash() != other_key.secret_hash());
    assert!(id.secret_hash() != other_secret.secret_hash());
}

/// C15: a million ids differ in both halves and have equal length, and the values at each byte position are evenly
/// distributed.
#[test]
fn ids_use_all_values_at_every_position() {
    const IDS: u32 = 1_000_000;
    let mut seen = vec![[0_u32; 256]; 32];
    let (mut keys, mut secrets) = (Vec::new(), Vec::new());
    for _ in 0..IDS {
        let id = SessionId::new(Random::default()).unwrap();
        for (counts, byte) in seen.iter_mut().zip(id.key.0.iter().chain(&id.secret)) {
            counts[usize::from(*byte)] += 1;
        }
        keys.push(u128::from_be_bytes(id.key.0));
        secrets.push(u128::from_be_bytes(id.secret));
    }
    for halves in [&mut keys, &mut secrets] {
        halves.sort_unstable();
        assert!(halves.windows(2).all(|pair| pair[0] != pair[1]), "the same half twice");
    }
    for counts in &seen {
        let expected = f64::from(IDS) / 256.0;
        let chi: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        // A uniform source exceeds this once in ten million runs.
        assert!(chi < 400.0, "chi-squared of 255 degrees of freedom was {chi}");
        assert!(counts.iter().all(|count| *count > 0), "a value that never occurs");
    }
}

/// C56: hashes are compared, in constant time, and the comparison does not reveal how much of an id was right: the hash
/// of a secret that shares all but its last bits differs as much as the hash of one that shares none.
#[test]
fn a_common_beginning_does_not_show_in_the_hash() {
    for shared in [0, 1, 8, 32, 64, 96, 120, 127] {
        let mut equal_bits = 0;
        for _ in 0..2_000 {
            let id = SessionId::new(Random::default()).unwrap();
            let guess = u128::from_be_bytes(id.secret) ^ (1 << (127 - shared));
            let guess = SessionId { secret: guess.to_be_bytes(), ..id };
            let (right, wrong) = (id.secret_hash(), guess.secret_hash());
            equal_bits += right.0.iter().zip(wrong.0).map(|(a, b)| (a ^ b).count_zeros()).sum::<u32>();
        }
        // 128 of 256 bits on average; the mean of 2,000 pairs deviates by a fifth of a bit.
        let mean = f64::from(equal_bits) / 2_000.0;
        assert!((126.0..130.0).contains(&mean), "{shared} shared bits leave {mean} equal bits in the hash");
    }
}

#[test]
fn debug_shows_neither_id_nor_hash() {
    let id = SessionId::from_bytes(&[1; 32]);
    let shown = format!("{id:?} {:?} {:?}", id.key, id.secret_hash());
    assert_eq!(shown, "SessionId(…) SessionKey(…) SecretHash(…)");
}

/// Returns the bytes of the cookie: key and secret.
pub(crate) fn bytes(id: &SessionId) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&id.key.0);
    bytes[16..].copy_from_slice(&id.secret);
    bytes
}

/// Returns the id with the same key and another secret.
pub(crate) fn id_of(id: SessionId, secret: [u8; 16]) -> SessionId {
    SessionId { secret, ..id }
}
