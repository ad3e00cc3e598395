use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
    coupon: Option<String>,
}

fn edit(cart: &mut CartMut) {
    let items = cart.items_mut();
    let coupon = cart.coupon_mut();
    items.clear();
    *coupon = None;
}

fn main() {}
