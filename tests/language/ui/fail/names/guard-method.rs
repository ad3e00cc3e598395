use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    update: u32,
    save: bool,
}

fn main() {}
