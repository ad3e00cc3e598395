//! The records of the examples, in each version that wrote one: `cart` and `upgrade`.
//!
//! The schemas are the examples' own files, so what is compared is what those programs write today. A change that makes
//! a test here fail is one that a deploy would show to every visitor: it takes a new version, and a new file for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use session_runtime::record::Values;
use session_runtime::{MemoryStore, Schemas, Session, SessionConfig, SessionKey, Sessions, Visit};

use super::{ManualClock, plant, record, texts};

#[path = "../../../examples/cart/session.rs"]
#[expect(dead_code, reason = "the example uses more of it")]
mod cart;
#[path = "../../../examples/upgrade/new/session.rs"]
#[expect(dead_code, reason = "the example uses more of it")]
mod new;
#[path = "../../../examples/upgrade/old/session.rs"]
#[expect(dead_code, reason = "the example uses more of it")]
mod old;

/// The release before `old`, which `was(1 = …)` speaks of.
#[derive(Session)]
#[session(key = "cart", version = 1, layout = "items:118a68db")]
struct First {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
}

/// Without the proof of the login, as before there were proofs.
const CART: &str = include_str!("cart-1.json");
const CART_WITH_PROOF: &str = include_str!("cart-1-with-proof.json");
const UPGRADE: [&str; 3] =
    [include_str!("upgrade-1.json"), include_str!("upgrade-2.json"), include_str!("upgrade-3.json")];

/// One program over a store of its own.
struct Program {
    store: Arc<MemoryStore>,
    clock: ManualClock,
    sessions: Sessions,
}

impl Program {
    fn new<S: Schemas>(config: SessionConfig) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
        let builder = Sessions::builder().store(Arc::clone(&store)).clock(clock.clone());
        let sessions = builder.config(config).schemas::<S>().build().unwrap();
        Self { store, clock, sessions }
    }

    /// The program of the newest version.
    fn newest() -> Self {
        Self::new::<new::CartSession>(SessionConfig::new())
    }

    async fn plant(&self, stored: &str) -> SessionKey {
        plant(&self.store, stored, &self.clock).await
    }

    async fn stored(&self, key: SessionKey) -> Values {
        record(&self.store, key, &self.clock).await.values
    }

    async fn finish(&self, visit: Visit) -> String {
        assert!(visit.finish(200).await.error.is_none());
        texts(&self.stored(visit.key().unwrap()).await)
    }
}

#[track_caller]
fn assert_is(written: &str, stored: &str) {
    assert_eq!(written.trim(), stored.trim());
}

#[tokio::test]
async fn the_example_cart_writes_these_bytes() {
    let program = Program::new::<(cart::CartSession, cart::AuthSession, cart::PrefsSession)>(SessionConfig::new());
    let visit = program.sessions.open([]);
    {
        let mut cart = visit.write::<cart::CartSession>().await.unwrap();
        cart.set_items([(7, 2), (10, 1)].into());
        cart.set_coupon("SPRING".to_owned());
        cart.set_currency(cart::Currency::Usd);
        visit.write::<cart::AuthSession>().await.unwrap().set_user("ann".to_owned());
        visit.write::<cart::PrefsSession>().await.unwrap().set_values([("theme".to_owned(), "dark".to_owned())].into());
    }
    assert_is(&program.finish(visit).await, CART_WITH_PROOF);
}

#[tokio::test]
async fn the_example_cart_reads_them() {
    let program = Program::new::<(cart::CartSession, cart::AuthSession, cart::PrefsSession)>(SessionConfig::new());
    for stored in [CART, CART_WITH_PROOF] {
        let key = program.plant(stored).await;
        let cart = program.sessions.read::<cart::CartSession>(&key).await.unwrap().unwrap();
        assert_eq!((cart.items(), cart.coupon().as_deref()), (&[(7, 2), (10, 1)].into(), Some("SPRING")));
        assert_eq!(*cart.currency(), cart::Currency::Usd);
        let auth = program.sessions.read::<cart::AuthSession>(&key).await.unwrap().unwrap();
        let prefs = program.sessions.read::<cart::PrefsSession>(&key).await.unwrap().unwrap();
        assert_eq!((auth.user().as_deref(), prefs.values()["theme"].as_str()), (Some("ann"), "dark"));
    }
}

/// The same cart in each version of the example `upgrade`.
#[tokio::test]
async fn each_version_writes_its_bytes() {
    let first = Program::new::<First>(SessionConfig::new());
    let visit = first.sessions.open([]);
    visit.write::<First>().await.unwrap().set_items([(7, 2), (10, 1)].into());
    assert_is(&first.finish(visit).await, UPGRADE[0]);

    let old = Program::new::<old::CartSession>(SessionConfig::new());
    let visit = old.sessions.open([]);
    {
        let mut cart = visit.write::<old::CartSession>().await.unwrap();
        cart.set_items([(7, 2), (10, 1)].into());
        cart.set_coupon("SPRING".to_owned());
    }
    assert_is(&old.finish(visit).await, UPGRADE[1]);

    let newest = Program::newest();
    let visit = newest.sessions.open([]);
    {
        let mut cart = visit.write::<new::CartSession>().await.unwrap();
        cart.set_items([(7, 2), (10, 1)].into());
        cart.set_coupons(vec!["SPRING".to_owned()]);
        cart.set_gift(true);
    }
    assert_is(&newest.finish(visit).await, UPGRADE[2]);
}

/// B71: a stored session of every version is read by the newest program, which changes nothing in it by that.
#[tokio::test]
async fn every_version_is_read_by_the_newest() {
    let newest = Program::newest();
    let expected: [(&[&str], bool); 3] = [(&[], false), (&["SPRING"], false), (&["SPRING"], true)];
    for (stored, (coupons, gift)) in UPGRADE.into_iter().zip(expected) {
        let key = newest.plant(stored).await;
        let cart = newest.sessions.read::<new::CartSession>(&key).await.unwrap().unwrap();
        assert_eq!((cart.items(), *cart.gift()), (&[(7, 2), (10, 1)].into(), gift));
        assert_eq!(cart.coupons(), coupons);
        assert_is(&texts(&newest.stored(key).await), stored);
    }
}

/// B71, B72: what is upgraded is stored as if the newest program had written it from the first.
#[tokio::test]
async fn an_upgrade_ends_in_the_newest_bytes() {
    let newest = Program::newest();
    for stored in UPGRADE {
        let key = newest.plant(stored).await;
        let edit = |cart: &mut new::CartSessionMut| {
            cart.set_coupons(vec!["SPRING".to_owned()]);
            cart.set_gift(true);
        };
        newest.sessions.update::<new::CartSession, _>(&key, edit).await.unwrap().unwrap();
        assert_is(&texts(&newest.stored(key).await), UPGRADE[2]);
    }
}

/// On hold, the newest program writes what the one before it writes.
#[tokio::test]
async fn on_hold_the_bytes_are_those_of_the_version_before() {
    let held = Program::new::<new::CartSession>(SessionConfig::new().hold("cart", 2));
    let visit = held.sessions.open([]);
    {
        let mut cart = visit.write::<new::CartSession>().await.unwrap();
        cart.set_items([(7, 2), (10, 1)].into());
        cart.apply("SPRING".to_owned());
    }
    assert_is(&held.finish(visit).await, UPGRADE[1]);
    let key = held.plant(UPGRADE[0]).await;
    held.sessions.update::<new::CartSession, _>(&key, |cart| cart.apply("SPRING".to_owned())).await.unwrap().unwrap();
    assert_is(&texts(&held.stored(key).await), UPGRADE[1]);
}
