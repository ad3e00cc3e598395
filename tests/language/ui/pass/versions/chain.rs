//! Every way up from an older version, and every bound on who reads what.

use std::collections::BTreeMap;

use session_runtime::{RawSection, Schema, Session, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, retired("total"), layout = "basket:c7992f67 note:ec0d589b")]
pub struct CartV2 {
    basket: Vec<u32>,
    note: Option<String>,
}

/// From two below by `previous`, from one below by a function.
#[derive(Session)]
#[session(
    key = "cart",
    version = 4,
    archived,
    previous = CartV2,
    migrate(from = 3, with = Self::without_zeros),
    retired("basket", "total"),
    readers = 4,
    layout = "items:118a68db note:ec0d589b"
)]
pub struct CartV4 {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    note: Option<String>,
}

/// Two versions that only added, one of them under another name.
#[derive(Session)]
#[session(
    key = "cart",
    version = 7,
    previous = self::CartV4,
    was(6 = "items:118a68db message:ec0d589b", 5 = "items:118a68db note:ec0d589b"),
    retired("basket", "total"),
    oldest = 3,
    on_newer = discard,
    layout = "items:118a68db message:ec0d589b theme:ec0d589b"
)]
pub struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    #[session(renamed_from = "note")]
    message: Option<String>,
    theme: Option<String>,
}

impl CartV4 {
    fn without_zeros(section: &mut RawSection) -> Result<(), serde_json::Error> {
        if section.read::<u32>("items/0")?.is_some() {
            section.remove("items/0");
        }
        Ok(())
    }
}

/// An upgrade that can fail.
impl TryFrom<CartV2> for CartV4 {
    type Error = std::num::TryFromIntError;

    fn try_from(cart: CartV2) -> Result<Self, Self::Error> {
        let CartV2 { basket, note } = cart;
        let items = basket.into_iter().map(|item| Ok((item, u32::try_from(1_u64)?)));
        Ok(Self { items: items.collect::<Result<_, Self::Error>>()?, note })
    }
}

/// One that cannot.
impl From<CartV4> for Cart {
    fn from(cart: CartV4) -> Self {
        Self { items: cart.items().clone(), message: cart.note().clone(), theme: None }
    }
}

/// And the way back, for a rollout.
impl From<Cart> for CartV4 {
    fn from(cart: Cart) -> Self {
        Self { items: cart.items, note: cart.message }
    }
}

fn main() {
    let _ = Sessions::fairing::<Cart>();
    assert_eq!((Cart::VERSION, CartV4::VERSION, CartV2::VERSION), (7, 4, 2));
}
