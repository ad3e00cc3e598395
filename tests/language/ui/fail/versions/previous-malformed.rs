use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, previous = "CartV1", layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous(CartV1), layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

fn main() {}
