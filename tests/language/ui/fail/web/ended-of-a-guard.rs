//! The end of a session concerns all its schemas, so it is a method of the handle, and of no guard.
use session_runtime::{Peek, Session};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

async fn waits(cart: &Session<'_, Cart>, peek: Peek<'_, Cart>) {
    cart.ended().await;
    peek.ended().await;
}

fn main() {}
