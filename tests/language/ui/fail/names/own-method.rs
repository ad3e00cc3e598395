use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    items: Vec<u32>,
}

impl Cart {
    fn items(&self) -> usize {
        0
    }
}

fn main() {}
