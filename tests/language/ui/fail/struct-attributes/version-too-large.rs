use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 99999999999)]
struct Cart {
    count: u32,
}

fn main() {}
