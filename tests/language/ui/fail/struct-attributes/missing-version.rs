use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart")]
struct Cart {
    count: u32,
}

fn main() {}
