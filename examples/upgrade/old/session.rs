//! The cart as version 2 of the shop stores it.

use std::collections::BTreeMap;

use session_runtime::Session;

/// Products that the visitor is about to buy.
///
/// Version 1 had no coupon. A key that is only added needs no old struct; the old pin in `was` is enough.
#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    was(1 = "items:118a68db"),
    layout = "items:118a68db coupon:ec0d589b",
)]
pub(crate) struct CartSession {
    /// Quantity by product. Concurrent additions all count, whichever versions of the program handle them.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// Coupon; this version supports only one.
    pub(crate) coupon: Option<String>,
}

impl CartSession {
    pub(crate) fn extras(&self) -> String {
        format!("coupon {:?}", self.coupon)
    }
}

impl CartSessionMut {
    /// Replaces the coupon.
    pub(crate) fn apply(&mut self, code: String) {
        self.set_coupon(code);
    }
}
