use session_runtime::{Session, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Basket {
    items: Vec<u32>,
}

fn main() {
    let _ = Sessions::fairing::<(Cart, Basket)>();
}
