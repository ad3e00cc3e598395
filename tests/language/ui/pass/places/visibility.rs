#![deny(warnings)]

mod shop {
    use session_runtime::Session;

    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Line {
        sku: String,
    }

    #[derive(Session)]
    #[session(key = "cart", version = 1)]
    pub struct Cart {
        /// A private field may have a private type.
        lines: Vec<Line>,
        pub coupon: Option<String>,
        pub(crate) total: u64,
        pub(super) seen: u64,
    }

    pub fn count(cart: &Cart) -> usize {
        cart.lines().iter().filter(|line| !line.sku.is_empty()).count()
    }
}

fn edit(cart: &mut shop::CartMut) {
    cart.set_coupon("A".to_owned());
    cart.set_total(1);
    cart.set_seen(cart.total() + 1);
}

fn main() {
    let _ = (edit, shop::count);
}
