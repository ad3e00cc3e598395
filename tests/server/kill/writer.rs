//! A client that changes one session as fast as it can.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use session_tests::cookie::Cookie;
use session_tests::http::{Connection, Request};
use session_tests::random::Random;

use super::fate::Fate;
use crate::process::Shop;

const PRODUCTS: u64 = 5;

/// One client with one session, and what the server acknowledged to it.
pub(super) struct Writer {
    pub(super) cookie: Cookie,
    acknowledged: BTreeMap<u32, u32>,
    /// The product that was being added when the connection broke.
    in_flight: Option<u32>,
}

impl Writer {
    pub(super) fn new(shop: &Shop) -> Self {
        let cookie = shop.ask(&Request::post("/prefs/first/yes")).expect(204).new_cookie();
        Self { cookie, acknowledged: BTreeMap::new(), in_flight: None }
    }

    /// Adds until the server is gone.
    pub(super) fn work(&mut self, mut connection: Connection, mut random: Random) {
        while self.add(&mut connection, &mut random).is_some() {}
    }

    /// Adds until the test stops it, to a server that stays up.
    pub(super) fn work_until(&mut self, over: &AtomicBool, mut connection: Connection, mut random: Random) {
        while !over.load(Ordering::Relaxed) {
            self.add(&mut connection, &mut random).expect("this server is not the one that is killed");
        }
    }

    fn add(&mut self, connection: &mut Connection, random: &mut Random) -> Option<()> {
        let product = u32::try_from(random.below(PRODUCTS)).unwrap();
        let request = Request::post(format!("/cart/add/{product}")).cookie(&self.cookie);
        // A request may have arrived even if it could not be sent as a whole.
        self.in_flight = Some(product);
        let answer = connection.ask(&request).ok()?;
        self.in_flight = None;
        let quantity: u32 = answer.expect_silent(200).json();
        let before = self.acknowledged.insert(product, quantity).unwrap_or_default();
        assert_eq!(quantity, before + 1, "the only writer of this session sees each add once");
        Some(())
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Every acknowledged add is there; the one in flight may be.
    pub(super) fn check(&mut self, shop: &Shop) -> Fate {
        let stored: BTreeMap<u32, u32> = shop.get("/cart", &self.cookie).expect_silent(200).json();
        let mut fate = Fate::default();
        if let Some(product) = self.in_flight.take() {
            let quantity = self.acknowledged.entry(product).or_default();
            let was_stored = stored.get(&product) == Some(&(*quantity + 1));
            *quantity += u32::from(was_stored);
            fate = Fate::of(was_stored);
        }
        self.acknowledged.retain(|_, quantity| *quantity > 0);
        assert_eq!(stored, self.acknowledged, "the stored cart is not the acknowledged one");
        fate
    }

    pub(super) fn adds(&self) -> u32 {
        self.acknowledged.values().sum()
    }
}
