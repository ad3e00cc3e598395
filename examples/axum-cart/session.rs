//! The visitor's session: the schemas of the example `cart`, so that both programs can work on the same sessions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_runtime::axum::Session;

/// Currency of the prices shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Currency {
    /// Euro.
    Eur,
    /// United States dollar.
    Usd,
}

/// Products that the visitor is about to buy.
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub(crate) struct CartSession {
    /// Quantity by product. If two tabs add at the same time, both additions count.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// Code of one of the shop's coupons.
    pub(crate) coupon: Option<String>,
    /// Currency of the prices shown.
    #[session(default = Currency::Eur)]
    pub(crate) currency: Currency,
}

/// Identity of the visitor.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(crate) struct AuthSession {
    /// Name of the logged-in user. A change gives the session a new id.
    #[session(renew)]
    pub(crate) user: Option<String>,
}

/// Preferences that programs store for the visitor, value by key.
#[derive(Session)]
#[session(key = "prefs", version = 1)]
pub(crate) struct PrefsSession {
    /// Two requests that set different keys do not conflict.
    #[session(merge = keys)]
    pub(crate) values: BTreeMap<String, String>,
}

/// Methods of the application beside the generated accessors.
impl CartSessionMut {
    /// Adds one piece of a product; returns the new quantity as this request sees it.
    pub(crate) fn put(&mut self, product: u32) -> u32 {
        let quantity = self.items_mut().entry(product).or_default();
        *quantity = quantity.saturating_add(1);
        *quantity
    }
}
