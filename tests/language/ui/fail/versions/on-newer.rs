use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, on_newer = ignore)]
struct Cart {
    count: u32,
}

#[derive(Session)]
#[session(key = "basket", version = 1, on_newer)]
struct Basket {
    count: u32,
}

fn main() {}
