//! The visitor's session: four schemas in one record.
//!
//! Each field becomes a key of the stored session (`cart.coupon`), and each entry of `items` a key of its own
//! (`cart.items/3`). A request that adds a mug therefore writes the mug and nothing else. Accessors have the visibility
//! of their field, hence the `pub(crate)`.

use std::collections::{BTreeMap, BTreeSet};

use rocket::FromFormField;
use serde::{Deserialize, Serialize};
use session_runtime::Session;

/// Currency of the prices shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, FromFormField)]
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

/// Notices of a form for the page that follows it. The page takes them, so each is shown once.
///
/// If two tabs send forms before either page is loaded, no notice is lost: `keys` stores each one separately.
#[derive(Session)]
#[session(key = "notices", version = 1)]
pub(crate) struct NoticeSession {
    /// Products whose quantity was changed.
    #[session(merge = keys)]
    pub(crate) changed: BTreeSet<u32>,
    /// Refused texts, by the name of their field.
    #[session(merge = keys)]
    pub(crate) refused: BTreeMap<String, String>,
}

/// Methods of the application beside the generated accessors.
impl CartSession {
    /// Number of pieces in the cart.
    pub(crate) fn pieces(&self) -> u64 {
        self.items.values().copied().map(u64::from).sum()
    }
}

impl CartSessionMut {
    /// Adds one piece of a product; returns the new quantity as this request sees it.
    pub(crate) fn put(&mut self, product: u32) -> u32 {
        let quantity = self.items_mut().entry(product).or_default();
        *quantity = quantity.saturating_add(1);
        *quantity
    }

    /// Removes one piece of a product; the last piece removes the entry.
    pub(crate) fn take_one(&mut self, product: u32) {
        let items = self.items_mut();
        match items.get_mut(&product) {
            Some(quantity) if *quantity > 1 => *quantity -= 1,
            _ => drop(items.remove(&product)),
        }
    }
}
