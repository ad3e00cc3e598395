//! The cart as version 2 of the shop stores it.

use std::collections::BTreeMap;

use session_runtime::Session;

/// What the visitor is about to buy. Version 1 had no coupon: a key that is only added needs no old struct, its old pin
/// beside `was` is enough.
#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    was(1 = "items:118a68db"),
    layout = "items:118a68db coupon:ec0d589b",
)]
pub(crate) struct CartSession {
    /// Quantity by product. Requests at once add up, whichever version they meet.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// The one coupon that this version knows.
    pub(crate) coupon: Option<String>,
}

impl CartSession {
    pub(crate) fn extras(&self) -> String {
        format!("coupon {:?}", self.coupon)
    }
}

impl CartSessionMut {
    /// Takes the place of the coupon before it.
    pub(crate) fn apply(&mut self, code: String) {
        self.set_coupon(code);
    }
}
