//! Totals of a record, and the `Debug` output of a patch and a configuration.

use session_runtime::clock::Timestamp;
use session_runtime::patch::Patch;
use session_runtime::record::{Record, Values};
use session_runtime::store::Wanted;
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, SessionConfig, SessionKey, SqliteStore, Store};

/// Every store applies `patch` to a record with one long text; the totals that it states must be those of its values.
async fn totals_are_true_after(patch: Patch) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    let stores: [(&str, Box<dyn Store>); 2] = [("memory", Box::new(MemoryStore::new())), ("sqlite", Box::new(sqlite))];
    let (key, now) = (SessionKey::from_bytes([1; 16]), Timestamp::from_millis(0));
    for (name, store) in stores {
        let values: Values = [("cart.note".into(), "\"a long text\"".into())].into_iter().collect();
        store.create(key, Record::new(head_at(0), values)).await.unwrap();
        store.patch(key, patch.clone(), now).await.unwrap();
        let loaded = store.load(key, &Wanted::all(), now).await.unwrap().unwrap();
        let values = &loaded.record.values;
        assert_eq!((loaded.bytes, loaded.keys), (values.bytes(), values.len()), "{name}: {values:?}");
    }
}

/// Totals stay true when one patch sets and removes the same key.
#[rocket::async_test]
async fn a_key_set_and_removed_at_once_does_not_spoil_the_totals() {
    totals_are_true_after(Patch::on_generation(0).set([("cart.note", "1")]).remove(["cart.note"])).await;
}

/// Totals stay true when one patch sets the same key twice, so every store states the same.
#[rocket::async_test]
async fn a_key_set_twice_does_not_spoil_the_totals() {
    for name in ["cart.note", "cart.coupon"] {
        totals_are_true_after(Patch::on_generation(0).set([(name, "1"), (name, "22")])).await;
    }
}

/// The `Debug` text of a patch shows no value and no entry's name.
#[test]
fn the_debug_text_of_a_patch_shows_no_value() {
    let set = [("cart.card/ann@example.org", "\"4111\"")];
    let shown = format!("{:?}", Patch::on_generation(0).set(set));
    assert!(!shown.contains("4111") && !shown.contains("ann@"), "{shown}");
}

/// The `Debug` text of a configuration shows no password of a store's address.
#[test]
fn the_debug_text_of_a_configuration_shows_no_password() {
    let shown = format!("{:?}", SessionConfig::new().store("redis://app:hunter2@cache/0"));
    assert!(!shown.contains("hunter2"), "{shown}");
}
