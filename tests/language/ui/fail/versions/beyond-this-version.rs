use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 3, readers = 3, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

fn main() {}
