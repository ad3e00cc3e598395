use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
    #[session(rename = "items")]
    lines: Vec<u32>,
}

fn main() {}
