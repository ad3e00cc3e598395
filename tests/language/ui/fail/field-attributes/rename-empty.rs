use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(rename = "")]
    count: u32,
}

fn main() {}
