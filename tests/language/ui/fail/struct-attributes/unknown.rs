use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, flash)]
struct Cart {
    count: u32,
}

fn main() {}
