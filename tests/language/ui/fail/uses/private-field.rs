mod shop {
    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1)]
    pub struct Cart {
        items: Vec<u32>,
    }
}

fn edit(cart: &mut shop::CartMut) {
    let _ = &cart.0;
    cart.set_items(vec![]);
}

fn main() {}
