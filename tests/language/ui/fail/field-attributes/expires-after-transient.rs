use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(transient, expires_after = "10m")]
    seen: u32,
}

fn main() {}
