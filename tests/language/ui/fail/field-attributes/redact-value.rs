use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(redact = "all")]
    count: u32,
}

fn main() {}
