use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", verison = 3)]
struct Cart {
    count: u32,
}

fn main() {}
