use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, unreleased)]
struct Cart {
    #[session(opaque = "")]
    total: u32,
    #[session(opaque)]
    count: u32,
}

fn main() {}
