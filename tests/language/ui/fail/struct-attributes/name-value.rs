use session_runtime::Session;

#[derive(Session)]
#[session = "cart"]
struct Cart {
    count: u32,
}

fn main() {}
