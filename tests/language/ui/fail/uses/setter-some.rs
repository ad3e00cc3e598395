use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
    coupon: Option<String>,
}

fn edit(cart: &mut CartMut) {
    cart.set_coupon(Some("x".to_owned()));
}

fn main() {}
