//! The cart as version 3 of the shop stores it, and the way from version 2 and back.

use std::collections::BTreeMap;

use session_runtime::Session;

/// What the visitor is about to buy. Any number of coupons in place of one, which no older program understands; and a
/// new key, which alone would not have needed an old struct.
#[derive(Session)]
#[session(
    key = "cart",
    version = 3,
    previous = CartV2,
    retired("coupon"),
    layout = "items:118a68db coupons:d2185aaa gift:3032d9ea",
)]
pub(crate) struct CartSession {
    /// Quantity by product. Requests at once add up, whichever version they meet.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    /// In the order in which the visitor named them.
    pub(crate) coupons: Vec<String>,
    /// To be wrapped as a gift.
    pub(crate) gift: bool,
}

/// Version 2, copied from its last release. Nothing writes it but a program on hold; it is what stored carts are read as.
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

/// The upgrade. One that can fail is a `TryFrom`: the visitor then gets a 500, and what is stored stays as it is.
impl From<CartV2> for CartSession {
    fn from(cart: CartV2) -> Self {
        let CartV2 { items, coupon } = cart;
        Self { items, coupons: coupon.into_iter().collect(), gift: false }
    }
}

/// The way back, for `hold`. What version 2 has no room for is refused rather than lost.
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

/// A cart that only version 3 can express.
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
    /// Adds a coupon to those before it.
    pub(crate) fn apply(&mut self, code: String) {
        if !self.coupons().contains(&code) {
            self.coupons_mut().push(code);
        }
    }
}
