//! The loads of this library's stores return the wanted schemas and no others, in memory and in `SQLite`. The contract
//! allows more. For a `lazy` schema, loading more would make requests slow.

use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, Values};
use session_runtime::store::Wanted;
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, SessionKey, SqliteStore, Store};

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

const STORED: [&str; 14] = [
    "Cart.coupon",
    "car",
    "car.wheels",
    "cart",
    "cart-2",
    "cart-2.items/1",
    "cart.coupon",
    "cart.items/10",
    "cart.items/7",
    "cartoon",
    "cartoon.items/7",
    "history",
    "history.pages",
    "history.seen/1",
];

async fn a_load_brings_the_wanted_schemas_and_no_more(store: impl Store) {
    store.set_lazy_schemas(&["history"]);
    let values: Values = STORED.iter().map(|name| ((*name).into(), "1".into())).collect();
    store.create(KEY, Record::new(head_at(NOW.as_millis()), values)).await.unwrap();
    for schemas in [
        &["cart"][..],
        &["history"],
        &["car"],
        &["cart-2"],
        &["cart", "cartoon"],
        &["history", "Cart"],
        &["absent"],
        &[],
    ] {
        let loaded = store.load(KEY, &Wanted::schemas(schemas), NOW).await.unwrap().unwrap();
        let found: Vec<&str> = loaded.record.values.iter().map(|(name, _)| &**name).collect();
        let of_schema = |name: &str| schemas.contains(&name.split_once('.').map_or(name, |(schema, _)| schema));
        let wanted: Vec<&str> = STORED.into_iter().filter(|name| of_schema(name)).collect();
        assert_eq!(found, wanted, "{schemas:?}");
    }
}

#[tokio::test]
async fn memory_brings_the_wanted_schemas_and_no_more() {
    a_load_brings_the_wanted_schemas_and_no_more(MemoryStore::new()).await;
}

#[tokio::test]
async fn sqlite_brings_the_wanted_schemas_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    a_load_brings_the_wanted_schemas_and_no_more(SqliteStore::open(folder.path().join("sessions.db")).unwrap()).await;
}
