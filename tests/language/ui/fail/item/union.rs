use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
union Cart {
    a: u32,
}

fn main() {}
