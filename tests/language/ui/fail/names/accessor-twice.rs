use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
    set_items: bool,
}

fn main() {}
