use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
    coupon: Option<String>,
}

fn edit(cart: &mut CartMut) -> &mut Cart {
    &mut *cart.0
}

fn main() {}
