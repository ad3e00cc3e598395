use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, crate = 5)]
struct Cart {
    count: u32,
}

fn main() {}
