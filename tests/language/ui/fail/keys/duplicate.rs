use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(rename = "items")]
    lines: Vec<u32>,
    items: Vec<u32>,
}

fn main() {}
