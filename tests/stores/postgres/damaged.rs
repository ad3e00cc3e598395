//! Rows that this library did not write, and texts that it must not touch.

use session_runtime::Store;
use session_runtime::patch::{Patch, Patched};
use session_runtime::store::{Created, LoadedHead, StoreErrorKind, Wanted};
use session_tests::servers::postgres::Postgres;

use super::session::{NOW, assert_fails, count, counter, key, patient, record, set, visits};

/// Rows that a foreign script has changed are an error that names the damage, never a panic, and do not affect other
/// rows.
#[tokio::test]
async fn a_damaged_row_is_reported_as_unreadable() {
    let server = Postgres::start("");
    let store = patient(server.url());
    let damages = [
        "UPDATE session_record SET secret = 'short'",
        "UPDATE session_record SET previous = ''",
        "UPDATE session_record SET expiry_kind = 9",
        "UPDATE session_record SET bytes = -1",
        "UPDATE session_record SET keys = -9223372036854775808",
    ];
    for (n, damage) in (1..).zip(damages) {
        counter(&store, key(n)).await;
        let key_bytes = format!("{n:02x}").repeat(16);
        server.execute(&format!("{damage} WHERE key = '\\x{key_bytes}'")).await;
        let outcome = store.load(key(n), &Wanted::all(), NOW).await;
        assert_fails(outcome, StoreErrorKind::Corrupt, "is not what this library writes");
        let heads = store.heads(&[key(n), key(90)], NOW).await.unwrap();
        assert_eq!(heads[0] == LoadedHead::Unreadable, n <= 3, "totals are no part of a head: {heads:?}");
        assert_eq!(heads[1], LoadedHead::Absent);
        // Whatever it answers, it answers.
        let _ = store.patch(key(n), set("cart.visits", "1"), NOW).await;
        store.delete(key(n)).await.unwrap();
        assert!(store.load(key(n), &Wanted::all(), NOW).await.unwrap().is_none());
    }
    counter(&store, key(98)).await;
    server.execute("UPDATE session_value SET content = '\\xff' WHERE field = '.visits'").await;
    let loaded = store.load(key(98), &Wanted::all(), NOW).await.unwrap().unwrap();
    assert_eq!(loaded.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["cart.visits"]);
    assert_eq!(loaded.record.values.len(), 1);
    let removing = Patch::on_generation(0).remove(["cart.visits"]);
    assert!(matches!(store.patch(key(98), removing, NOW).await.unwrap(), Patched::Done(_)));
    let mended = store.load(key(98), &Wanted::all(), NOW).await.unwrap().unwrap();
    assert_eq!((mended.bytes, mended.unreadable.len()), (mended.record.values.bytes(), 0));
    counter(&store, key(97)).await;
    server.execute("UPDATE session_value SET field = '\\xff' WHERE field = '.visits'").await;
    assert!(!store.load(key(97), &Wanted::all(), NOW).await.unwrap().unwrap().unreadable.is_empty());
    counter(&store, key(99)).await;
    assert_eq!(visits(&store, key(99)).await.unwrap(), 0);
}

/// Numbers at their ends stay numbers.
#[tokio::test]
async fn counters_wrap_and_totals_stay() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    server.execute("UPDATE session_record SET revision = 9223372036854775807, bytes = 3, keys = 0").await;
    let Patched::Done(head) = store.patch(key(1), count(0, 1), NOW).await.unwrap() else { panic!("refused") };
    assert_eq!(head.revision, 1 << 63);
    server.execute("UPDATE session_record SET revision = -1, bytes = 9223372036854775807").await;
    let Patched::Done(head) = store.patch(key(1), count(1, 2), NOW).await.unwrap() else { panic!("refused") };
    assert_eq!(head.revision, 0);
    assert_fails(store.patch(key(1), set("cart.more", "1"), NOW).await, StoreErrorKind::Corrupt, "22003");
}

/// JSON comes back as it went, where a database's own JSON would write it anew.
#[tokio::test]
async fn texts_are_kept_byte_for_byte() {
    let server = Postgres::start("");
    let store = patient(server.url());
    let texts = [
        "1.0e5",
        "1E400",
        "-0",
        "0.10",
        "{\"b\" : 1,  \"a\":2, \"a\":3}",
        r#""\u00e9\u0000\ud800""#,
        "\"é€😀\\/\"",
        "",
        "\t[ ]\n",
    ];
    let names: Vec<_> = (0..texts.len()).map(|n| format!("cart.{n}'\\\"é")).collect();
    let values: Vec<_> = names.iter().map(String::as_str).zip(texts).collect();
    assert_eq!(store.create(key(1), record(&values)).await.unwrap(), Created::Done);
    let loaded = store.load(key(1), &Wanted::all(), NOW).await.unwrap().unwrap();
    assert_eq!(loaded.record.values, record(&values).values);
    for (name, text) in &values {
        store.patch(key(1), set(name, &format!("{text} ")), NOW).await.unwrap();
    }
    let loaded = store.load(key(1), &Wanted::schemas(&["cart"]), NOW).await.unwrap().unwrap();
    assert!(loaded.record.values.iter().zip(texts).all(|((_, now), before)| **now == *format!("{before} ")));
}

/// A session that an operator removes by hand leaves nothing behind.
#[tokio::test]
async fn rows_removed_by_hand_take_their_values_along() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    server.execute("DELETE FROM session_record").await;
    assert_eq!(server.ask("SELECT count(*) FROM session_value").await, 0);
    counter(&store, key(1)).await;
}
