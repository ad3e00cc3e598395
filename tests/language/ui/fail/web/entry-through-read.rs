//! A guard that reads opens no entry for editing.
use session_runtime::{Read, Session};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys, entries)]
    items: std::collections::BTreeMap<u32, u32>,
}

fn add(cart: Read<'_, Cart>) {
    *cart.items_entry(7) = Some(1);
}

fn main() {}
