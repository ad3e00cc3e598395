//! What a visitor's session holds: four schemas, one record.
//!
//! Each field becomes a key of the stored map (`cart.coupon`), each line of `items` one of its own (`cart.items/3`), so
//! that a request that adds a mug writes the mug and nothing else. Accessors have the visibility of their field, hence the
//! `pub(crate)`.

use std::collections::{BTreeMap, BTreeSet};

use rocket::FromFormField;
use serde::{Deserialize, Serialize};
use session_runtime::Session;

/// What prices are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, FromFormField)]
pub(crate) enum Currency {
    /// Euro.
    Eur,
    /// United States dollar.
    Usd,
}

/// What the visitor is about to buy.
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub(crate) struct CartSession {
    /// Quantity by product. Two tabs that add at the same time add up.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// The code of one of the shop's coupons.
    pub(crate) coupon: Option<String>,
    /// What prices are shown in.
    #[session(default = Currency::Eur)]
    pub(crate) currency: Currency,
}

/// Who the visitor is.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(crate) struct AuthSession {
    /// Who is logged in. A change of it gives the session a new id.
    #[session(renew)]
    pub(crate) user: Option<String>,
}

/// Whatever a program wants to remember about the visitor, value by key.
#[derive(Session)]
#[session(key = "prefs", version = 1)]
pub(crate) struct PrefsSession {
    /// Two requests that set different keys never meet.
    #[session(merge = keys)]
    pub(crate) values: BTreeMap<String, String>,
}

/// Notices of a form for the page that follows it, which takes them: each is shown once.
///
/// Two tabs that send forms before either page is loaded lose no notice: `keys` stores each by itself.
#[derive(Session)]
#[session(key = "notices", version = 1)]
pub(crate) struct NoticeSession {
    /// Products whose quantity was changed.
    #[session(merge = keys)]
    pub(crate) changed: BTreeSet<u32>,
    /// Texts that were refused, by the name of their field.
    #[session(merge = keys)]
    pub(crate) refused: BTreeMap<String, String>,
}

/// Methods of one's own stand beside the generated accessors.
impl CartSession {
    /// How many pieces are in the cart.
    pub(crate) fn pieces(&self) -> u64 {
        self.items.values().copied().map(u64::from).sum()
    }
}

impl CartSessionMut {
    /// One more of a product; says how many that makes for this request.
    pub(crate) fn put(&mut self, product: u32) -> u32 {
        let quantity = self.items_mut().entry(product).or_default();
        *quantity = quantity.saturating_add(1);
        *quantity
    }

    /// One less of a product; the last one takes the line with it.
    pub(crate) fn take_one(&mut self, product: u32) {
        let items = self.items_mut();
        match items.get_mut(&product) {
            Some(quantity) if *quantity > 1 => *quantity -= 1,
            _ => drop(items.remove(&product)),
        }
    }
}
