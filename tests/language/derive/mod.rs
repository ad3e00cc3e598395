//! Generated code without a store: constants, defaults, accessors, shapes.

mod fits;
mod shapes;
mod standard_shapes;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use session_runtime::{Schema, Session};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Currency {
    Eur,
    Usd,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
    #[session(default = Currency::Usd)]
    currency: Currency,
    #[session(default = vec![1, 2])]
    steps: Vec<u8>,
    #[session(default)]
    seen: HashSet<u32>,
    #[session(transient, default = Self::start())]
    started: u64,
    r#type: u8,
    #[session(accessor = "lines")]
    count: i64,
}

impl Cart {
    fn start() -> u64 {
        42
    }

    fn count(&self) -> i64 {
        *self.lines() + 1
    }
}

mod elsewhere {
    /// Its fields are public, one by one.
    #[derive(session_runtime::Session)]
    #[session(key = "user-prefs_2", version = 1, lazy, on_invalid = "reset")]
    pub struct Prefs {
        pub theme: Option<String>,
        pub(crate) size: u8,
    }
}

fn constants<S: Schema>() -> (&'static str, u16) {
    (S::KEY, S::VERSION)
}

#[test]
fn a_schema_knows_its_key_and_version() {
    assert_eq!(constants::<Cart>(), ("cart", 1));
    assert_eq!(constants::<elsewhere::Prefs>(), ("user-prefs_2", 1));
}

/// B2: each field its own default, whether the attribute gives it or the type.
#[test]
fn a_new_session_holds_the_defaults() {
    let cart = (Cart::NEW)();
    assert!(cart.items().is_empty() && cart.seen().is_empty());
    assert_eq!(cart.coupon(), &None);
    assert_eq!(cart.currency(), &Currency::Usd);
    assert_eq!(cart.steps(), &[1, 2]);
    assert_eq!(*cart.started(), 42);
    assert_eq!(*cart.r#type(), 0);
}

#[test]
fn an_accessor_gives_way_to_a_method_of_the_same_name() {
    assert_eq!((Cart::NEW)().count(), 1);
}

#[test]
fn accessors_have_the_visibility_of_their_field() {
    let prefs = (elsewhere::Prefs::NEW)();
    assert_eq!((prefs.theme(), prefs.size()), (&None, &0));
}

/// The whole family, with the types that the docs promise.
#[test]
fn the_writable_view_has_every_accessor() {
    let _: fn(&mut CartMut) -> &mut BTreeMap<u32, u32> = CartMut::items_mut;
    let _: fn(&mut CartMut, BTreeMap<u32, u32>) = CartMut::set_items;
    let _: fn(&mut CartMut, String) = CartMut::set_coupon;
    let _: fn(&mut CartMut) -> Option<String> = CartMut::take_coupon;
    let _: fn(&mut CartMut) = CartMut::clear_coupon;
    let _: fn(&mut CartMut, u8) = CartMut::set_type;
    let _: fn(&mut CartMut) -> &mut i64 = CartMut::lines_mut;
    let _ = |cart: &mut CartMut| cart.update(|cart| cart.items.insert(1, 2));
    let _: fn(&CartMut) -> &Cart = |cart| cart;
}

#[test]
fn the_writable_view_can_be_shown_and_sent() {
    fn needs<T: std::fmt::Debug + Send + Sync + 'static>() {}
    needs::<CartMut>();
    needs::<elsewhere::PrefsMut>();
}
