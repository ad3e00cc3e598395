use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    price: fn(u32) -> u32,
}

fn main() {}
