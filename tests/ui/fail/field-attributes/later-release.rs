use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(renamed_from = "x", opaque = "money@1")]
    count: u32,
}

fn main() {}
