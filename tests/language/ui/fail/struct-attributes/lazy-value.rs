use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, lazy = true)]
struct Cart {
    count: u32,
}

fn main() {}
