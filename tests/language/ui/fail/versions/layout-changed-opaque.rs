use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "total:6a21d6d9")]
struct Cart {
    #[session(opaque = "money@2")]
    total: u64,
}

fn main() {}
