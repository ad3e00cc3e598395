//! The cart as version 3 of the shop stores it, with the upgrade from version 2 and the downgrade.

use std::collections::BTreeMap;

use session_runtime::Session;

/// Products that the visitor is about to buy.
///
/// Version 3 has any number of coupons in place of one, which no older program can read. It also has a new key, which
/// alone would not have required an old struct.
#[derive(Session)]
#[session(
    key = "cart",
    version = 3,
    previous = CartV2,
    retired("coupon"),
    layout = "items:118a68db coupons:d2185aaa gift:3032d9ea",
)]
pub(crate) struct CartSession {
    /// Quantity by product. Concurrent additions all count, whichever versions of the program handle them.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// Coupons in the order in which the visitor entered them.
    pub(crate) coupons: Vec<String>,
    /// True if the order is to be wrapped as a gift.
    pub(crate) gift: bool,
}

/// Version 2, copied from its last release. Stored carts are read as this struct; only a program on hold writes it.
#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    archived,
    was(1 = "items:118a68db"),
    layout = "items:118a68db coupon:ec0d589b",
)]
pub(crate) struct CartV2 {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
}

/// Upgrade from version 2. An upgrade that can fail is a `TryFrom`: the visitor then gets a 500, and the stored data
/// stays as it is.
impl From<CartV2> for CartSession {
    fn from(cart: CartV2) -> Self {
        let CartV2 { items, coupon } = cart;
        Self { items, coupons: coupon.into_iter().collect(), gift: false }
    }
}

/// Downgrade to version 2, for `hold`. A cart that does not fit into version 2 is refused, so that nothing is lost.
impl TryFrom<CartSession> for CartV2 {
    type Error = NoRoom;

    fn try_from(cart: CartSession) -> Result<Self, NoRoom> {
        let CartSession { items, mut coupons, gift } = cart;
        let coupon = coupons.pop();
        if gift || !coupons.is_empty() {
            return Err(NoRoom);
        }
        Ok(Self { items, coupon })
    }
}

/// Error for a cart that only version 3 can express.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("version 2 has room for one coupon, and none for a gift")
    }
}

impl std::error::Error for NoRoom {}

impl CartSession {
    pub(crate) fn extras(&self) -> String {
        format!("coupons {:?}, gift {}", self.coupons, self.gift)
    }
}

impl CartSessionMut {
    /// Adds a coupon behind the existing ones.
    pub(crate) fn apply(&mut self, code: String) {
        if !self.coupons().contains(&code) {
            self.coupons_mut().push(code);
        }
    }
}
