//! A chain with every kind of step, walked at once and with stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use session_runtime::migrate::{Options, Outcome};
use session_runtime::store::MemoryStore;
use session_runtime::{RawSection, Schema, Session, SessionKey, Sessions, Store};

use super::program::{plant, program, stored};

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "items:118a68db coupon:ec0d589b total:4d0fe23a")]
struct V1 {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    total: u64,
}

/// A key more.
#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    was(1 = "items:118a68db coupon:ec0d589b total:4d0fe23a"),
    layout = "items:118a68db coupon:ec0d589b total:4d0fe23a note:4fb0f3d8"
)]
struct V2 {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    total: u64,
    note: String,
}

/// Two renames, one of them of a map that is stored entry by entry.
#[derive(Session)]
#[session(
    key = "cart",
    version = 3,
    was(
        1 = "items:118a68db coupon:ec0d589b total:4d0fe23a",
        2 = "items:118a68db coupon:ec0d589b total:4d0fe23a note:4fb0f3d8",
    ),
    layout = "lines:118a68db coupon:ec0d589b total:4d0fe23a message:4fb0f3d8"
)]
struct V3 {
    #[session(merge = keys(sum), renamed_from = "items")]
    lines: BTreeMap<u32, u32>,
    coupon: Option<String>,
    total: u64,
    #[session(renamed_from = "note")]
    message: String,
}

/// Another type under another name.
#[derive(Session)]
#[session(
    key = "cart",
    version = 4,
    previous = V3,
    retired("coupon"),
    layout = "lines:118a68db coupons:d2185aaa total:4d0fe23a message:4fb0f3d8"
)]
struct V4 {
    #[session(merge = keys(sum))]
    lines: BTreeMap<u32, u32>,
    coupons: Vec<String>,
    total: u64,
    message: String,
}

impl From<V3> for V4 {
    fn from(cart: V3) -> Self {
        let V3 { lines, coupon, total, message } = cart;
        Self { lines, coupons: coupon.into_iter().collect(), total, message }
    }
}

/// Another meaning of the same type, and the way from version 3 in one.
#[derive(Session)]
#[session(
    key = "cart",
    version = 5,
    migrate(from = 4, with = in_cents),
    previous = V3,
    readers = 5,
    retired("coupon"),
    layout = "lines:118a68db coupons:d2185aaa total:4d0fe23a message:4fb0f3d8"
)]
struct V5 {
    #[session(merge = keys(sum))]
    lines: BTreeMap<u32, u32>,
    coupons: Vec<String>,
    total: u64,
    message: String,
}

fn in_cents(cart: &mut RawSection) -> Result<(), serde_json::Error> {
    match cart.read::<u64>("total")? {
        Some(euros) => cart.write("total", &(euros * 100)),
        None => Ok(()),
    }
}

impl From<V3> for V5 {
    fn from(cart: V3) -> Self {
        let V4 { lines, coupons, total, message } = cart.into();
        Self { lines, coupons, total: total * 100, message }
    }
}

/// Another type under the same name.
#[derive(Session)]
#[session(
    key = "cart",
    version = 6,
    previous = V5,
    retired("coupon"),
    layout = "lines:118a68db coupons:d2185aaa total:ec0d589b message:4fb0f3d8"
)]
struct V6 {
    #[session(merge = keys(sum))]
    lines: BTreeMap<u32, u32>,
    coupons: Vec<String>,
    total: Option<String>,
    message: String,
}

impl From<V5> for V6 {
    fn from(cart: V5) -> Self {
        let V5 { lines, coupons, total, message } = cart;
        Self { lines, coupons, total: (total > 0).then(|| format!("{total} ct")), message }
    }
}

/// The contents of a session that version 1 stored.
#[derive(Clone, Debug)]
struct Held {
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    total: u64,
    of_others: BTreeMap<String, u32>,
}

fn held() -> impl Strategy<Value = Held> {
    let items = prop::collection::btree_map(any::<u32>(), any::<u32>(), 0..4);
    let of_others = prop::collection::btree_map("[a-z]{1,3}_of_others(/[a-z]{1,3})?", any::<u32>(), 0..3);
    (items, any::<Option<String>>(), 0..1_000_000_u64, of_others).prop_map(|(items, coupon, total, of_others)| Held {
        items,
        coupon,
        total,
        of_others,
    })
}

async fn begin(store: &Arc<dyn Store>, held: &Held) -> SessionKey {
    let visit = program::<V1>(store).open([]);
    let mut cart = visit.write::<V1>().await.unwrap();
    cart.set_items(held.items.clone());
    cart.set_total(held.total);
    if let Some(coupon) = held.coupon.clone() {
        cart.set_coupon(coupon);
    }
    cart.save().await.unwrap();
    drop(cart);
    let key = visit.key().unwrap();
    for (name, number) in &held.of_others {
        plant(store, key, &format!("cart.{name}"), &number.to_string()).await;
    }
    key
}

async fn bring_up(sessions: Sessions) -> u64 {
    let report = sessions.migrate(Options::default()).await.unwrap();
    assert_eq!(report.count(Outcome::Upgraded) + report.count(Outcome::Current), 1, "{report}");
    report.count(Outcome::Upgraded)
}

/// The values after an upgrade by the program of that version.
async fn bring_up_to(version: u16, store: &Arc<dyn Store>) -> u64 {
    bring_up(match version {
        2 => program::<V2>(store),
        3 => program::<V3>(store),
        4 => program::<V4>(store),
        5 => program::<V5>(store),
        _ => program::<V6>(store),
    })
    .await
}

async fn walk(held: Held, stops: BTreeSet<u16>) {
    let (at_once, in_steps): (Arc<dyn Store>, Arc<dyn Store>) =
        (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let (a, b) = (begin(&at_once, &held).await, begin(&in_steps, &held).await);
    for stop in stops {
        assert_eq!(bring_up_to(stop, &in_steps).await, 1);
    }
    bring_up_to(V6::VERSION, &in_steps).await;
    assert_eq!(bring_up_to(V6::VERSION, &at_once).await, 1);
    let upgraded = stored(&at_once, a).await;
    assert_eq!(stored(&in_steps, b).await, upgraded, "in steps as at once");
    assert_eq!(bring_up_to(V6::VERSION, &at_once).await, 0);
    assert_eq!(stored(&at_once, a).await, upgraded, "twice as once");
    for (name, number) in &held.of_others {
        assert!(upgraded.contains(&(format!("cart.{name}"), number.to_string())), "unknown keys survive");
    }
    let cart = program::<V6>(&at_once).read::<V6>(&a).await.unwrap().unwrap();
    let total = (held.total > 0).then(|| format!("{} ct", held.total * 100));
    let coupons: Vec<String> = held.coupon.into_iter().collect();
    assert_eq!((cart.lines(), cart.coupons(), cart.total()), (&held.items, &coupons, &total));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// B72
    #[test]
    fn in_steps_as_at_once_and_twice_as_once(
        held in held(),
        stops in prop::collection::btree_set(2..=6_u16, 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(walk(held, stops));
    }
}
