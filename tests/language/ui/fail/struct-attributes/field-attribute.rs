use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, default = 7)]
struct Cart {
    count: u32,
}

fn main() {}
