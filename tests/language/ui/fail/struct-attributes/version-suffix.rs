use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 3u8)]
struct Cart {
    count: u32,
}

fn main() {}
