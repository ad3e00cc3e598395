use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = "3")]
struct Cart {
    count: u32,
}

fn main() {}
