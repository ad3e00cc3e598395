//! A struct that warns its users is no warning in generated code, whatever it is used for.

#![deny(warnings)]

use serde::{Deserialize, Serialize};
use session_runtime::{Session, SessionValue};

#[deprecated = "use Basket"]
#[allow(deprecated)]
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    pub items: u32,
    pub choice: Option<Choice>,
}

#[deprecated = "version 1"]
#[derive(Session)]
#[session(key = "shop", version = 1, archived, layout = "items:4d0f51c1")]
pub struct ShopV1 {
    pub items: u32,
}

#[deprecated]
#[derive(Session)]
#[session(key = "shop", version = 2, previous = ShopV1, layout = "items:4d0f51c1")]
pub struct Shop {
    pub items: u32,
}

#[allow(deprecated)]
impl From<ShopV1> for Shop {
    fn from(old: ShopV1) -> Self {
        Self { items: old.items }
    }
}

#[deprecated]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
#[allow(deprecated)]
pub enum Choice {
    Old(Sku),
    #[deprecated]
    Older { sku: Option<Sku> },
}

#[deprecated]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
#[allow(deprecated)]
pub struct Sku {
    #[deprecated]
    pub number: Option<Number>,
}

#[deprecated]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
pub struct Number(u32);

fn main() {}
