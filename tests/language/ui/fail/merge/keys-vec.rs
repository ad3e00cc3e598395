use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys)]
    items: Vec<u32>,
}

fn main() {}
