use session_runtime::Session;

mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1")]
    pub struct CartV1 {
        pub count: u32,
    }
}

#[derive(Session)]
#[session(key = "cart", version = 3, previous = old::CartV1, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<old::CartV1> for Cart {
    fn from(cart: old::CartV1) -> Self {
        Self { count: cart.count }
    }
}

fn main() {}
