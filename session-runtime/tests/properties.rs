//! Laws that hold for all inputs; a failing one is printed with the smallest input that breaks it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use session_runtime::clock::Timestamp;
use session_runtime::expiry::StoredExpiry;
use session_runtime::id::SecretHash;
use session_runtime::merge::Summable;
use session_runtime::patch::{NewSecret, Patch};
use session_runtime::record::{Head, PreviousSecret, Text, Values};
use session_runtime::{EntryKey, MemoryStore, Session, Sessions};

fn written<K: EntryKey>(key: &K) -> String {
    let mut text = String::new();
    key.write(&mut text).unwrap();
    text
}

fn values(pairs: &BTreeMap<String, String>) -> Values {
    pairs.iter().map(|(name, text)| (Text::from(name.as_str()), Text::from(text.as_str()))).collect()
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-c./]{0,3}", "[0-9]{0,2}", 0..12)
}

fn patch(set: &BTreeMap<String, String>, remove: &[String]) -> Patch {
    let set = set.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Patch::on_generation(0).set(set).remove(remove.iter().map(String::as_str))
}

#[derive(Session)]
#[session(key = "numbers", version = 1)]
struct Numbers {
    long: f64,
    short: f32,
}

/// Both numbers as the next request reads them.
#[tokio::main(flavor = "current_thread")]
async fn saved(long: f64, short: f32) -> (f64, f32) {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Numbers>().build().unwrap();
    let visit = sessions.open([]);
    {
        let mut numbers = visit.write::<Numbers>().await.unwrap();
        numbers.set_long(long);
        numbers.set_short(short);
    }
    let finished = visit.finish(200).await;
    let cookie = finished.cookie.header().unwrap();
    let visit = sessions.open([cookie]);
    let numbers = visit.read::<Numbers>().await.unwrap();
    (*numbers.long(), *numbers.short())
}

/// A damaged record may hold any number; found by fuzzing.
#[test]
fn the_greatest_revision_and_generation_block_no_patch() {
    let now = Timestamp::from_millis(0);
    let hash = SecretHash::from_bytes([1; 32]);
    let mut head = Head {
        created: now,
        touched: now,
        idle_deadline: now,
        absolute_deadline: now,
        expiry: StoredExpiry::Default,
        secret: hash,
        secret_since: now,
        previous: None,
        generation: u64::MAX,
        generation_since: None,
        revision: u64::MAX,
    };
    let secret = NewSecret::Raise { hash, at: now };
    Patch::on_generation(u64::MAX).remove(["a"]).secret(secret).apply_head(&mut head);
    assert_eq!((head.generation, head.revision), (0, 0));
}

/// The grace of an old id ends at the moment that was set first, even if several requests present the next id.
#[test]
fn a_second_request_does_not_prolong_a_grace() {
    let (now, [old, new]) = (Timestamp::from_millis(0), [1, 2].map(|byte| SecretHash::from_bytes([byte; 32])));
    let mut head = Head {
        created: now,
        touched: now,
        idle_deadline: now,
        absolute_deadline: now,
        expiry: StoredExpiry::Default,
        secret: new,
        secret_since: now,
        previous: Some(PreviousSecret { hash: old, until: None }),
        generation: 0,
        generation_since: None,
        revision: 0,
    };
    let until = |head: &Head| head.previous.as_ref().unwrap().until.map(Timestamp::as_millis);
    for (seen, moment, then) in [(old, 5, None), (new, 10, Some(10)), (new, 20, Some(10)), (old, 30, Some(10))] {
        let secret = NewSecret::Presented { seen, until: Timestamp::from_millis(moment) };
        Patch::on_generation(0).secret(secret).apply_head(&mut head);
        assert_eq!(until(&head), then, "at {moment}");
    }
}

proptest! {
    /// A key comes back as it was, and no control character gets into a stored key.
    #[test]
    fn an_entry_key_survives(text in any::<String>(), number in any::<i128>(), letter in any::<char>()) {
        prop_assert_eq!(String::read(&written(&text)), Some(text.clone()));
        prop_assert_eq!(i128::read(&written(&number)), Some(number));
        prop_assert_eq!(char::read(&written(&letter)), Some(letter));
        prop_assert!(!written(&text).chars().any(|c| c < ' '));
    }

    /// A text that is read as a key is written as the same text: each key has one spelling.
    #[test]
    fn an_entry_key_has_one_spelling(text in "[-+0-9a-z\"\\\\ ]{0,6}") {
        if let Some(key) = u32::read(&text) {
            prop_assert_eq!(written(&key), text.clone());
        }
        if let Some(key) = i8::read(&text) {
            prop_assert_eq!(written(&key), text.clone());
        }
        if let Some(key) = String::read(&text) {
            prop_assert_eq!(written(&key), text);
        }
    }

    /// The sum is the exact one, cut at the bounds of the type.
    #[test]
    fn sums_saturate(theirs in any::<i64>(), ours in any::<i64>(), base in any::<i64>()) {
        let exact = i128::from(theirs) + i128::from(ours) - i128::from(base);
        let cut = i64::try_from(exact.clamp(i64::MIN.into(), i64::MAX.into())).unwrap();
        prop_assert_eq!(i64::sum(theirs, ours, base), cut);
    }

    #[test]
    fn unsigned_sums_saturate(theirs in any::<u8>(), ours in any::<u8>(), base in any::<u8>()) {
        let exact = i32::from(theirs) + i32::from(ours) - i32::from(base);
        prop_assert_eq!(i32::from(u8::sum(theirs, ours, base)), exact.clamp(0, 255));
    }

    /// `Values` is a map in bytewise order.
    #[test]
    fn values_are_an_ordered_map(start in pairs(), set in pairs(), remove in prop::collection::vec("[a-c./]{0,3}", 0..6)) {
        let mut model = start.clone();
        let mut have = values(&start);
        for (name, text) in &set {
            let before = have.set(name.as_str().into(), text.as_str().into());
            let expected = model.insert(name.clone(), text.clone());
            prop_assert_eq!(before.as_deref(), expected.as_deref());
        }
        for name in &remove {
            let (before, expected) = (have.remove(name), model.remove(name));
            prop_assert_eq!(before.as_deref(), expected.as_deref());
        }
        let listed: Vec<_> = have.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        prop_assert_eq!(listed, model.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(have.bytes(), model.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>());
        for prefix in ["", "a", "a.", "b/", "c"] {
            let found: Vec<_> = have.prefix(prefix).map(|(name, _)| name.to_string()).collect();
            let expected: Vec<_> = model.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
            prop_assert_eq!(found, expected);
        }
    }

    /// Two patches of different keys commute.
    #[test]
    fn patches_of_different_keys_commute(start in pairs(), a in pairs(), b in pairs()) {
        let b: BTreeMap<_, _> = b.into_iter().filter(|(name, _)| !a.contains_key(name)).collect();
        let removed_by_a: Vec<_> = start.keys().filter(|name| !a.contains_key(*name) && !b.contains_key(*name)).take(2).cloned().collect();
        let (a, b) = (patch(&a, &removed_by_a), patch(&b, &[]));
        let (mut ab, mut ba) = (values(&start), values(&start));
        a.apply(&mut ab);
        b.apply(&mut ab);
        b.apply(&mut ba);
        a.apply(&mut ba);
        prop_assert!(ab == ba);
    }

    /// The totals that a patch states equal its effect.
    #[test]
    fn a_patch_knows_its_size(start in pairs(), set in pairs(), remove in prop::collection::vec("[a-c./]{0,3}", 0..3)) {
        let patch = patch(&set, &remove);
        let mut have = values(&start);
        let before = have.bytes();
        let (came, went) = patch.apply(&mut have);
        prop_assert_eq!(have.bytes(), before + came - went);
    }

    /// Found by fuzzing: a number was read as its neighbour, so it moved with every save.
    #[test]
    fn a_float_survives(bits in any::<u64>(), short in any::<u32>(), decimal in "[0-9]{1,9}[.][0-9]{1,9}e-[0-9]{1,2}") {
        let [number, decimal] = [f64::from_bits(bits), decimal.parse().unwrap()];
        let short = f32::from_bits(short);
        for number in [number, decimal].into_iter().filter(|number| number.is_finite()) {
            prop_assert_eq!(saved(number, 0.0).0.to_bits(), number.to_bits());
        }
        if short.is_finite() {
            prop_assert_eq!(saved(0.0, short).1.to_bits(), short.to_bits());
        }
    }

    #[test]
    fn a_stored_expiry_survives(millis in any::<u64>(), moment in any::<i64>()) {
        let at = StoredExpiry::At(session_runtime::clock::Timestamp::from_millis(moment));
        for expiry in [StoredExpiry::After { millis }, at, StoredExpiry::Default, StoredExpiry::BrowserClose] {
            prop_assert_eq!(expiry.to_string().parse(), Ok(expiry));
        }
    }
}
