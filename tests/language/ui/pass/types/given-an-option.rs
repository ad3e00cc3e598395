//! A setter takes what is inside of an `Option`; an `Option` is assigned.

#![deny(warnings)]
#![allow(dead_code)]

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    note: Option<String>,
}

fn both(cart: &mut CartMut, note: Option<String>) {
    cart.set_note("gift".into());
    *cart.note_mut() = note;
}

fn main() {}
