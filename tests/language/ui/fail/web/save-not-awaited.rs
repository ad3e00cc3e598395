#![deny(unused_must_use)]

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

async fn pay(cart: &mut Session<'_, Cart>) {
    cart.save();
    cart.save().await;
    cart.update_now(|cart| cart.clear_coupon());
    cart.update_now(|cart| cart.clear_coupon()).await;
}

fn main() {}
