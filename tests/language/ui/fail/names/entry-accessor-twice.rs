//! The accessors of a single entry have the names of other accessors.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys, entries)]
    items: std::collections::BTreeMap<u32, u32>,
    items_get: bool,
    items_entry: bool,
}

fn main() {
    let _ = |cart: &mut CartMut| *cart.items_entry(7) = cart.items_get(&8);
}
