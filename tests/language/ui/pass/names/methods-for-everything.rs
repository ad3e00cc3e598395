//! Traits of the author's for all types win over nothing that generated code calls.

#![deny(warnings)]
#![allow(dead_code)]

use std::collections::BTreeMap;

use session_runtime::{Session, SessionValue};

macro_rules! everything {
    ($($by_ref:ident $by_mut:ident $by_value:ident: $name:ident)*) => {
        trait ByRef { $(fn $name(&self) {})* }
        impl<T: ?Sized> ByRef for T {}
        trait ByMut { $(fn $name(&mut self) {})* }
        impl<T: ?Sized> ByMut for T {}
        trait ByValue: Sized { $(fn $name(self) {})* }
        impl<T> ByValue for T {}
    };
}

everything! {
    r m v: edit r m v: set r m v: set_some r m v: take r m v: clear r m v: update r m v: initial r m v: ask r m v: renew
    r m v: redact r m v: shape r m v: opaque r m v: merge r m v: reject r m v: unordered r m v: renamed_from r m v: layout
    r m v: was r m v: migrate r m v: previous r m v: retired r m v: oldest r m v: readers r m v: lazy r m v: reset
    r m v: transient r m v: discard_newer r m v: deref r m v: fmt r m v: get r m v: slot r m v: spec r m v: refuse
    r m v: unreleased r m v: refused
}

trait Constants {
    const SHAPE: u8 = 1;
    const UPGRADE: u8 = 1;
    const ERROR: u8 = 1;
    const GAP: u8 = 1;
    const FORGOTTEN: u8 = 1;
    const PREVIOUS: u8 = 1;
    const LOWER: u8 = 1;
    const KEY: u8 = 1;
    const TY: u8 = 1;
    type Mut;
    type Target;
}

impl<T: ?Sized> Constants for T {
    type Mut = ();
    type Target = ();
}

#[derive(serde::Serialize, serde::Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Choice {
    Card { number: Option<Number> },
    Other(Number),
}

#[derive(serde::Serialize, serde::Deserialize, SessionValue)]
struct Number {
    number: u8,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Foreign;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, retired("old"), layout = "count:7a336965")]
struct CartV1 {
    count: i64,
}

#[derive(Session)]
#[session(
    key = "cart", version = 3, lazy, on_invalid = "reset", on_newer = "discard", readers = 3, oldest = 1,
    previous = CartV1, migrate(from = 2, with = nothing), retired("old"),
    layout = "total:7a336965 coupon:ec0d589b items:118a68db price:6a21d6d9 choice:69276944"
)]
struct Cart {
    #[session(renamed_from = "count", merge = sum, redact)]
    total: i64,
    #[session(renew, merge = reject)]
    coupon: Option<String>,
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    #[session(opaque = "money@1")]
    price: u64,
    #[session(transient, default = 7)]
    seen: u8,
    choice: Option<Choice>,
}

#[derive(Session)]
#[session(key = "plain", version = 1)]
struct Plain {
    count: i64,
    choice: Option<Choice>,
    #[session(default = Foreign)]
    foreign: Foreign,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self {
            total: cart.count,
            coupon: None,
            items: BTreeMap::new(),
            price: 0,
            seen: 0,
            choice: None,
        }
    }
}

fn nothing(_: &mut session_runtime::RawSection) -> Result<(), std::fmt::Error> {
    Ok(())
}

fn main() {
    let _ = |cart: &mut CartMut| {
        cart.set_total(1);
        cart.set_coupon(String::new());
        cart.clear_coupon();
        drop(cart.take_items());
        CartMut::update(cart, |cart| cart.seen = 2);
    };
}
