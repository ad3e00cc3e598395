use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(accessor = "2fast")]
    count: u32,
}

fn main() {}
